"""Refused logins: which responses of token servers are refusals, and the errors for them and for other failures."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from lading.auth.credentials import Found
from lading.errors import (
    DeniedError,
    RegistryError,
    ServerError,
    TokenError,
    TooManyRequestsError,
    UnauthorizedError,
)

_STATUSES: Final = frozenset({401, 403})


# These mean the same whichever server responds.
_OF_ANY_SERVER: Final = (UnauthorizedError, DeniedError, ServerError, TooManyRequestsError)


class _OAuthError(msgspec.Struct, frozen=True):
    error: str = ""


def refuses_login(error: RegistryError) -> bool:
    """Return whether a token server refuses a login; with 400 as well for an OAuth2 grant (RFC 6749, section 5.2)."""
    if error.status != 400 or error.response is None:
        return error.status in _STATUSES
    try:
        return msgspec.json.decode(error.response.body or b"", type=_OAuthError).error == "invalid_grant"
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False


def refused_login(registry: str, by: str, refusal: RegistryError, found: Found | None) -> UnauthorizedError:
    """Return the error for credentials, or for an anonymous request, that a server refuses; `by` names that server."""
    said = str(refusal).removeprefix(f"{refusal.request}: ")
    if found is None:
        message = f"{registry}: {by} refused an anonymous request: {said}"
        advice = f"log in (lading login {registry}), and check the name: it may not exist"
    else:
        message = f"{registry}: login refused: {by} did not accept the credentials ({found.source}): {said}"
        advice = f"check the user name and the password or token, and log in again: lading login {registry}"
    error = UnauthorizedError(
        message,
        request=refusal.request,
        status=refusal.status,
        errors=refusal.errors,
        retry_after=refusal.retry_after,
        response=refusal.response,
    )
    error.add_note(advice)
    error.__cause__ = refusal
    return error


@contextmanager
def as_token_errors(registry: str) -> Generator[None]:
    """Raise what a token server responds as `TokenError`, unless it means the same of any server.

    Its 404 does not say that a manifest does not exist, nor its 405 that the registry lacks an endpoint.
    """
    try:
        yield
    except RegistryError as error:
        if isinstance(error, _OF_ANY_SERVER):
            raise
        raise TokenError(f"{registry}: its token server gave no token: {error}") from error
