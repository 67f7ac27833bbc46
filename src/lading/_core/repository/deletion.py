"""Deletion of a tag, a manifest or a blob, confirmed (distribution-spec, Deleting tags, Deleting Manifests, …)."""

from __future__ import annotations

from msgspec.structs import replace

from lading._core.exchange.remote_repository import RemoteRepository
from lading._wire import response_facts
from lading._wire.endpoints import DELETE_BLOB, PULL_BLOB, PULL_MANIFEST, Endpoint
from lading._wire.messages import Request
from lading._wire.operations import operation_of
from lading.errors import NotFoundError, ProtocolError, RejectedError, UnsupportedError

_ACCEPTED = 202


async def delete(repository: RemoteRepository, endpoint: Endpoint, request: Request, look: Request) -> None:
    """Send a DELETE; for a success other than the 202 of the specification, send HEAD to see that the thing is gone.

    Registries respond with 200 and 204 too, and any web site responds with 200 to everything. A 202 may stand for a
    deletion that takes its time (opencontainers/distribution-spec#570), so there is nothing to look for. Nor is there
    if the thing is gone at a later try: an earlier one, whose response was lost or an error, has deleted it.

    Raises `ProtocolError` if the thing is still there, and what the look-up raises.
    """
    budget = repository.exchange.budget()
    try:
        answer = await repository.within(budget).read(endpoint, request)
    except NotFoundError:
        if not budget.may_have_acted:
            raise
        return
    if answer.status == _ACCEPTED and not response_facts.is_page(answer.headers):
        return
    try:
        await _look(repository, PULL_BLOB if endpoint is DELETE_BLOB else PULL_MANIFEST, look)
    except NotFoundError:
        return
    operation = operation_of(request, repository.exchange.registry)
    what = f"{operation.subject}: {operation.action}" if operation else str(request.target)
    error = ProtocolError(f"{what}: responded with {answer.status}, but it is still there: is this a registry?")
    error.add_note("a registry may take its time to delete: look again in a while")
    raise error


async def _look(repository: RemoteRepository, endpoint: Endpoint, look: Request) -> None:
    try:
        await repository.read(endpoint, look, limit=0)
    except (RejectedError, UnsupportedError):  # some mirrors do not support HEAD
        async with repository.open(endpoint, replace(look, method="GET")):
            return
