"""What happens while a flow runs, as one stream of typed values.

`Client(on_event=…)` takes a plain function in both faces. It is called from whichever thread moves the bytes, one call
at a time; what it raises ends the operation. No event holds a secret: requests are redacted as they are in errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from lading.digest import Digest


class Progress(msgspec.Struct, frozen=True):
    """Content moves: `offset` of `size` bytes are there. The first event of a blob has offset 0, the last one `size`.

    `size` is None while it is not known. `title` is the file name that the content goes by, or "".
    """

    action: Literal["pull", "push"]
    digest: Digest
    offset: int
    size: int | None
    title: str = ""


class Skipped(msgspec.Struct, frozen=True):
    """Content did not need to move: it is at its destination already. `size` is in bytes."""

    action: Literal["pull", "push"]
    digest: Digest
    size: int
    title: str = ""


class Warned(msgspec.Struct, frozen=True):
    """The registry sent a warning (distribution-spec, Warnings), or sent something that was passed over.

    Each text is told once for a client and registry.
    """

    registry: str
    text: str


class Exchanged(msgspec.Struct, frozen=True):
    """A request was answered, by the registry or by a host that it named. `seconds` is until the head of the answer."""

    request: str
    status: int
    seconds: float


class Redirected(msgspec.Struct, frozen=True):
    """The registry sent a request on to another place; `origin` is that place's scheme, host and port."""

    request: str
    origin: str


class Retried(msgspec.Struct, frozen=True):
    """A request failed for a reason that may pass, and is sent again after `seconds`. `tries` counts those made.

    `refused` says that the connection was refused, as by a registry that is just being started: that is tried again for
    5 seconds.
    """

    request: str
    reason: str
    seconds: float
    tries: int
    refused: bool = False


class Authorized(msgspec.Struct, frozen=True):
    """A token server gave a token for some scopes; `account` says on whose behalf, "" for anybody."""

    registry: str
    realm: str
    scopes: tuple[str, ...]
    account: str


Event = Progress | Skipped | Warned | Exchanged | Redirected | Retried | Authorized
EventHandler = Callable[[Event], None]
