"""Lists of the referrers of a manifest (distribution-spec, Listing Referrers)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from types import NoneType

import msgspec

from lading import strict_json
from lading._core.exchange.exchange import ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.pagination import Listing, Pages
from lading._core.repository.referrers_tag import kept_referrers
from lading._values import expect
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.messages import Request
from lading.descriptor import Descriptor
from lading.digest import Digest, computable
from lading.documents import ImageIndex, Manifest
from lading.errors import (
    DocumentError,
    ForbiddenRedirectError,
    NameUnknownError,
    NotFoundError,
    UnsupportedError,
)
from lading.events import Warned
from lading.headers import Headers
from lading.media_types import OCI_INDEX


class _ReferrersPage(msgspec.Struct, frozen=True):
    items: tuple[Descriptor, ...]
    next: str | None

    @property
    def names(self) -> Iterable[str]:
        return (item.digest for item in self.items)


class AsyncReferrers:
    """The referrers of the manifests of one repository."""

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    def list(self, digest: str, *, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        """List the manifests whose subject has this digest, page by page (end-12a, end-12b).

        The subject need not exist. With `artifact_type`, only referrers of that type are listed, whether or not the
        registry filters. If it has no referrers API, the list is the one that clients keep under a tag.

        Raises `NameUnknownError` if there is no such repository.
        """
        expect(digest, str, "digest")
        expect(artifact_type, (str, NoneType), "artifact_type")
        pages = _ReferrerPages(self._repository, computable(digest), artifact_type)
        return Listing(pages.next)


class _ReferrerPages:
    """Pages of referrers, from the registry's own list or from the one that clients keep."""

    def __init__(self, repository: RemoteRepository, subject: Digest, artifact_type: str | None) -> None:
        self._repository = repository
        self._subject = subject
        self._artifact_type = artifact_type
        self._pages: Pages[_ReferrersPage] | None = None
        self._ended = False

    async def next(self) -> Iterator[Descriptor] | None:
        """Return the entries of the next page that have the requested type, or None after the last page."""
        if self._ended:
            return None
        if self._pages is None:
            first = await first_page(self._repository, self._subject, self._artifact_type)
            if first is None:
                kept = await kept_referrers(self._repository, self._subject)
                self._ended = True
                return self._wanted(kept)
            self._pages = Pages(self._repository, endpoints.LIST_REFERRERS, first, _read, accept=[OCI_INDEX])
        page = await self._pages.next()
        return None if page is None else self._wanted(page.items)

    def _wanted(self, entries: Sequence[Descriptor]) -> Iterator[Descriptor]:
        # Not every registry filters, and not every one that claims to does.
        return (entry for entry in entries if self._artifact_type in {None, entry.artifact_type})


async def first_page(
    repository: RemoteRepository, subject: Digest, artifact_type: str | None = None
) -> ExchangeResult | None:
    """Request the referrers of a manifest; return None if the registry has no referrers API.

    It has none if it does not know the path (404, 405, 501), redirects to another host, or responds with anything but
    an index, by its Content-Type or its own `mediaType`. Any other failure is raised: the list that clients keep may be
    out of date.
    """
    request = requests.list_referrers(repository.origin, repository.name, subject, artifact_type=artifact_type)
    try:
        answer = await repository.read(endpoints.LIST_REFERRERS, request, limit=repository.budgets.page)
    except NameUnknownError:
        raise
    except (NotFoundError, UnsupportedError, ForbiddenRedirectError):
        return None
    if answer.request.origin != repository.origin:
        return None
    if response_facts.media_type(answer.headers) == OCI_INDEX or _calls_itself_index(answer):
        return answer
    where = error_documents.describe(request)
    text = f"{where}: responded with something else than a list of referrers: taken for a registry without such lists"
    repository.emit(Warned(repository.origin.authority, text))
    return None


def _calls_itself_index(answer: ExchangeResult) -> bool:
    """Return whether the content is an index, whatever a proxy or framework says about it in the Content-Type."""
    try:
        document = strict_json.parse(answer.content, "list of referrers")
    except DocumentError:
        return False
    return isinstance(document, dict) and document.get("mediaType") == OCI_INDEX


def _read(request: Request, headers: Headers, content: bytes) -> _ReferrersPage:
    try:
        index = Manifest.parse(content, OCI_INDEX).expect(ImageIndex)
        return _ReferrersPage(index.document.manifests, response_facts.next_page(headers))
    except DocumentError as error:
        raise DocumentError(f"{error_documents.describe(request)}: {error}") from None
