"""Base image that the annotations of an image name (image-spec, annotations.md, org.opencontainers.image.base.*)."""

from __future__ import annotations

from msgspec.structs import replace

from lading._core.exchange.url_gate import Gate
from lading._core.images.image import Image
from lading._wire.escaping import quoted
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_private
from lading.annotations import BASE_DIGEST, BASE_NAME
from lading.digest import Digest
from lading.errors import DocumentError, InvalidDigestError, InvalidReferenceError
from lading.reference import Reference

_ADVICE = "name both bases: old_base= and new_base= (--old-base and --new-base)"


def base_said(image: Image, registry: str | None, gate: Gate, *, digest: bool) -> Reference:
    """Return the base that an image names: with `digest` the one that it was built on, else the current one.

    The builder of an image chose the name, and must not choose which machines of a private network are contacted
    (CWE-918): such a name must be in the `registry` of the image itself, and with a strict gate every name must. The
    name does not decide the scheme either.

    Raises `DocumentError` for an image that names no base, or an invalid one.
    """
    annotations = image.manifest.document.annotations
    missing = next((key for key in (BASE_NAME, BASE_DIGEST)[: 1 + digest] if key not in annotations), None)
    if missing is not None:
        raise _error(image, f"does not name its base: it has no annotation {missing}")
    try:
        base = replace(Reference.parse(annotations[BASE_NAME]), scheme=None)
        if digest:
            base = replace(base, tag=None, digest=Digest(annotations[BASE_DIGEST]))
    except (InvalidReferenceError, InvalidDigestError) as error:
        raise _error(image, f"does not name its base correctly: {error}") from error
    if base.registry == registry:
        return base
    if gate.strict:
        raise _error(image, f"names its base {quoted(str(base))} in another registry: not contacted")
    if is_private(Origin.of("https", base.registry).host):
        raise _error(image, f"names its base {quoted(str(base))} inside a private network: not contacted")
    return base


def _error(image: Image, why: str) -> DocumentError:
    error = DocumentError(f"{image.manifest.digest} {why}")
    error.add_note(_ADVICE)
    return error
