"""Content discovery (distribution-spec, Content Discovery): end-8, end-12, and the registry extensions. These block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

from lading import strict_json
from lading._wire import endpoints
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Response
from lading.descriptor import Descriptor
from lading.errors import InvalidTagError
from lading.media_types import OCI_INDEX
from lading.reference import check_tag
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError

_OCI_EXTENSION = {
    "name": "_oci",
    "description": "lists the extensions of this registry",
    "url": "https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md",
    "endpoints": ["/v2/_oci/ext/discover"],
}
_CATALOG_EXTENSION = {
    "name": "_catalog",
    "description": "lists the repositories of this registry",
    "url": "https://distribution.github.io/distribution/spec/api/#listing-repositories",
    "endpoints": ["/v2/_catalog"],
}


def list_tags(call: Call) -> Response:
    """Answer end-8a and end-8b."""
    names = call.layout().tags()
    page, link = _page(call, endpoints.LIST_TAGS, filter(_is_tag, _after(call, names)))
    return responses.json({"name": call.match.name, "tags": page}, headers=link)


def list_repositories(call: Call) -> Response:
    """Answer `_catalog`."""
    if not call.limits.catalog:
        raise RefusedError("UNSUPPORTED", "this registry does not list its repositories", status=404)
    names = call.repositories.names()
    page, link = _page(call, endpoints.LIST_REPOSITORIES, _after(call, names))
    return responses.json({"repositories": page}, headers=link)


def discover_extensions(call: Call) -> Response:
    """Answer `_oci/ext/discover`."""
    return responses.json({"extensions": [_OCI_EXTENSION, *([_CATALOG_EXTENSION] if call.limits.catalog else [])]})


def list_referrers(call: Call) -> Response:
    """Answer end-12a and end-12b. Before the first push a repository does not exist, and its list is empty."""
    if not call.limits.referrers:
        raise RefusedError("UNSUPPORTED", "this registry has no referrers API", status=404)
    layout = call.repositories.find(call.match.name)
    referrers = call.referrers.of(layout, call.digest) if layout is not None else ()
    artifact_type = call.parameter("artifactType")
    headers = {}
    if artifact_type is not None:
        referrers = tuple(descriptor for descriptor in referrers if descriptor.artifact_type == artifact_type)
        headers["OCI-Filters-Applied"] = "artifactType"
    rest = _following(call, referrers)
    page = _index_page(call, rest)
    if len(page) < len(rest):
        query = [("artifactType", artifact_type)] if artifact_type is not None else []
        headers |= _next(call, endpoints.LIST_REFERRERS, *query, ("last", page[-1].digest))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
    return responses.document(strict_json.encode(index), media_type=OCI_INDEX, headers=headers)


def _following(call: Call, referrers: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """Return the descriptors after the last one of the previous page."""
    last = call.parameter("last")
    if last is None:
        return referrers
    for position, descriptor in enumerate(referrers):
        if descriptor.digest == last:
            return referrers[position + 1 :]
    raise RefusedError("UNSUPPORTED", "the last referrer of the previous page is gone: list again", status=400)


def _index_page(call: Call, referrers: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """Return as many descriptors as one manifest may hold, but at least one."""
    size = 0
    for position, descriptor in enumerate(referrers[: call.limits.page_items]):
        size += len(strict_json.encode(descriptor))
        if position and size > call.limits.manifest_bytes:
            return referrers[:position]
    return referrers[: call.limits.page_items]


def _after(call: Call, names: Sequence[str]) -> Iterable[str]:
    last = call.parameter("last")
    return islice(names, bisect_right(names, last) if last is not None else 0, None)


def _page(call: Call, endpoint: Endpoint, items: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return the next items, as many as the request asks for and the limits allow, and the link to the next page."""
    requested = _requested_size(call)
    size = call.limits.page_items if requested is None else min(requested, call.limits.page_items)
    page = list(islice(items, size + 1))
    if size == 0 or len(page) <= size:
        return page[:size], {}
    page.pop()
    return page, _next(call, endpoint, ("n", str(size)), ("last", page[-1]))


def _next(call: Call, endpoint: Endpoint, *query: tuple[str, str]) -> dict[str, str]:
    rest = endpoints.target(endpoint, name=call.match.name, digest=call.match.digest or "", query=query)
    return {"Link": f'<{rest}>; rel="next"'}


def _requested_size(call: Call) -> int | None:
    text = call.parameter("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError("UNSUPPORTED", "n must be a number of items, in decimal digits", status=400)
    # Python refuses to parse numbers of thousands of digits; 18 digits exceed any number of items.
    return int(text.lstrip("0")[:18] or "0")


def _is_tag(name: str) -> bool:
    try:
        check_tag(name)
    except InvalidTagError:
        return False
    return True
