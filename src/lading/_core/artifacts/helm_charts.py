"""Titles of the files of a Helm chart, whose layers have none.

Helm names a chart `NAME-VERSION.tgz`, and its signature `NAME-VERSION.tgz.prov` (https://helm.sh/docs/topics/registries).
Name and version are those in the config, which is the Chart.yaml of the chart as JSON: a tag has `_` in place of `+`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading import strict_json
from lading._core.tar.member_names import shown
from lading.documents import ImageManifest
from lading.errors import DocumentError
from lading.media_types import HELM_CHART, HELM_CONFIG, HELM_PROVENANCE

# Helm before 3.7 wrote application/tar+gzip.
_SUFFIXES: Final = {HELM_CHART: ".tgz", "application/tar+gzip": ".tgz", HELM_PROVENANCE: ".tgz.prov"}


def is_chart(manifest: ImageManifest) -> bool:
    """Return whether a manifest is that of a Helm chart."""
    return manifest.config.media_type == HELM_CONFIG


def chart_titles(config: bytes) -> Mapping[str, str]:
    """Return the titles of the layers of a chart, by their media types.

    Raises `DocumentError` for a config without a name and a version that can be parts of a file name.
    """
    tree = strict_json.parse(config, "the config of the Helm chart")
    name, version = (tree.get(field) for field in ("name", "version")) if isinstance(tree, dict) else (None, None)
    for field, value in (("name", name), ("version", version)):
        if not isinstance(value, str) or not value:
            raise DocumentError(f"the config of the Helm chart has no {field}")
        if "/" in value:
            raise DocumentError(f"the {field} of the Helm chart, {shown(value)}, has a slash")
    return {media_type: f"{name}-{version}{suffix}" for media_type, suffix in _SUFFIXES.items()}
