"""Events that a flow emits while it runs, as typed values.

`Client(on_event=…)` takes a plain function in both faces. The thread that moves the bytes calls it, one call at a time;
an exception that it raises ends the operation. Events hold no secrets: requests are redacted as in errors.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from lading.digest import Digest


class Progress(msgspec.Struct, frozen=True):
    """Content is being transferred. The first event of a blob has offset 0, the last one `size`."""

    action: Literal["pull", "push"]
    """Direction of the transfer."""
    digest: Digest
    """Digest of the content."""
    offset: int
    """Number of bytes transferred so far."""
    size: int | None
    """Size of the content in bytes, None while it is unknown."""
    title: str = ""
    """File name of the content, "" if it has none."""


class Skipped(msgspec.Struct, frozen=True):
    """Content was not transferred because its destination already has it."""

    action: Literal["pull", "push"]
    """Direction of the transfer that was not needed."""
    digest: Digest
    """Digest of the content."""
    size: int
    """Size of the content in bytes."""
    title: str = ""
    """File name of the content, "" if it has none."""


class Warned(msgspec.Struct, frozen=True):
    """The registry sent a warning (distribution-spec, Warnings), or sent something that was skipped.

    Each warning is reported once per client and registry.
    """

    registry: str
    """Host and port of the registry, or the name of another source such as an image layout."""
    text: str
    """The warning, for people to read."""


class Exchanged(msgspec.Struct, frozen=True):
    """A request got its response, from the registry or from a host that the registry named."""

    request: str
    """The request without secrets, such as `GET ghcr.io/acme/app manifests/v1`."""
    status: int
    """Status code of the response."""
    seconds: float
    """Time in seconds until the head of the response arrived."""


class Redirected(msgspec.Struct, frozen=True):
    """The registry redirected a request."""

    request: str
    """The redirected request, as in `Exchanged`."""
    origin: str
    """Scheme, host and port of the new location."""


class Retried(msgspec.Struct, frozen=True):
    """A request failed for a reason that may be temporary, and will be sent again."""

    request: str
    """The request that failed, as in `Exchanged`."""
    reason: str
    """Message of the error."""
    seconds: float
    """Time in seconds until the next try."""
    tries: int
    """Number of tries made so far."""
    refused: bool = False
    """Whether the connection was refused, as by a registry that is starting: this is retried for 5 seconds."""


class Authorized(msgspec.Struct, frozen=True):
    """A token server issued a token."""

    registry: str
    """Host and port of the registry."""
    realm: str
    """Scheme, host and port of the token server."""
    scopes: tuple[str, ...]
    """Scopes of the token, such as `repository:acme/app:pull`."""
    account: str
    """User name of the credentials, "an identity token" if they have none, "" for anonymous access."""


class Parked(msgspec.Struct, frozen=True):
    """A host wants no requests for longer than the client would wait, or has no more pulls than `Retries.floor`.

    Requests to it end at once, with an error that has the same `until`, and are not sent.
    """

    registry: str
    """Host and port, which may be those of a token server or of a store that the registry named."""
    reason: str
    """What the host asked for, for people to read."""
    until: datetime | None
    """Time, in UTC, from which requests are sent again; None if it is not known."""
    only_pulls: bool
    """Whether only requests for the content of manifests are concerned."""


Event = Progress | Skipped | Warned | Exchanged | Redirected | Retried | Authorized | Parked
EventHandler = Callable[[Event], None]
