"""Base image of an image, as its annotations name it (image-spec, annotations.md, org.opencontainers.image.base.*)."""

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
    """Return the base that an image names: by its digest, the one it was built on; else what has that name now.

    Whoever built the image chose the name, and must not choose which machines of a private network are asked (CWE-918):
    such a name has to be in the `registry` of the image itself, and with a strict gate every name. Nor does it say how
    a registry is spoken to.

    Raises `DocumentError` if there is none, or it is no such name.
    """
    annotations = image.manifest.document.annotations
    missing = next((key for key in (BASE_NAME, BASE_DIGEST)[: 1 + digest] if key not in annotations), None)
    if missing is not None:
        raise _error(image, f"does not say what its base is: it has no annotation {missing}")
    try:
        base = replace(Reference.parse(annotations[BASE_NAME]), scheme=None)
        if digest:
            base = replace(base, tag=None, digest=Digest(annotations[BASE_DIGEST]))
    except (InvalidReferenceError, InvalidDigestError) as error:
        raise _error(image, f"does not say properly what its base is: {error}") from error
    if base.registry == registry:
        return base
    if gate.strict:
        raise _error(image, f"says that its base is {quoted(str(base))}, in another registry: not asked")
    if is_private(Origin.of("https", base.registry).host):
        raise _error(image, f"says that its base is {quoted(str(base))}, inside a private network: not asked")
    return base


def _error(image: Image, why: str) -> DocumentError:
    error = DocumentError(f"{image.manifest.digest} {why}")
    error.add_note(_ADVICE)
    return error
