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
    """Answer end-12a and end-12b. A repository that has nothing yet is asked for its referrers too, before a push."""
    if not call.limits.referrers:
        raise RefusedError("UNSUPPORTED", "this registry has no referrers API", status=404)
    layout = call.repositories.find(call.match.name)
    found = call.referrers.of(layout, call.digest) if layout is not None else ()
    wanted = call.parameter("artifactType")
    headers = {}
    if wanted is not None:
        found = tuple(descriptor for descriptor in found if descriptor.artifact_type == wanted)
        headers["OCI-Filters-Applied"] = "artifactType"
    rest = _following(call, found)
    page = _index_page(call, rest)
    if len(page) < len(rest):
        query = [("artifactType", wanted)] if wanted is not None else []
        headers |= _next(call, endpoints.LIST_REFERRERS, *query, ("last", page[-1].digest))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
    return responses.document(strict_json.encode(index), media_type=OCI_INDEX, headers=headers)


def _following(call: Call, found: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """Return what follows the descriptor that ended the last page."""
    last = call.parameter("last")
    if last is None:
        return found
    for place, descriptor in enumerate(found):
        if descriptor.digest == last:
            return found[place + 1 :]
    raise RefusedError("UNSUPPORTED", "where the last page ended is no longer there: list anew", status=400)


def _index_page(call: Call, found: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """Return as many descriptors as one manifest may hold, one at the least."""
    size = 0
    for place, descriptor in enumerate(found[: call.limits.page_items]):
        size += len(strict_json.encode(descriptor))
        if place and size > call.limits.manifest_bytes:
            return found[:place]
    return found[: call.limits.page_items]


def _after(call: Call, names: Sequence[str]) -> Iterable[str]:
    last = call.parameter("last")
    return islice(names, bisect_right(names, last) if last is not None else 0, None)


def _page(call: Call, endpoint: Endpoint, items: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return the next items, as many as are asked for and allowed, and the link to what follows them."""
    wanted = _wanted(call)
    size = call.limits.page_items if wanted is None else min(wanted, call.limits.page_items)
    page = list(islice(items, size + 1))
    if size == 0 or len(page) <= size:
        return page[:size], {}
    page.pop()
    return page, _next(call, endpoint, ("n", str(size)), ("last", page[-1]))


def _next(call: Call, endpoint: Endpoint, *query: tuple[str, str]) -> dict[str, str]:
    rest = endpoints.target(endpoint, name=call.match.name, digest=call.match.digest or "", query=query)
    return {"Link": f'<{rest}>; rel="next"'}


def _wanted(call: Call) -> int | None:
    text = call.parameter("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError("UNSUPPORTED", "n must be the number of items wanted, in decimal digits", status=400)
    # Python refuses to read numbers of thousands of digits; nobody has that many items.
    return int(text.lstrip("0")[:18] or "0")


def _is_tag(name: str) -> bool:
    try:
        check_tag(name)
    except InvalidTagError:
        return False
    return True
