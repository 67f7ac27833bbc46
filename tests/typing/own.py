"""Objects of a user's own that the client takes: targets, transports, credentials, content, handlers of events.

Their parameters have other names than the protocols: only the types and the order count.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, assert_never, assert_type

from lading import (
    Authorized,
    Cancellation,
    Credential,
    CredentialSource,
    Deleter,
    Descriptor,
    Digest,
    Event,
    Exchanged,
    Found,
    Headers,
    NotFoundError,
    Origin,
    Parked,
    Progress,
    RangeFetcher,
    Reader,
    Redirected,
    ReferrerLister,
    Request,
    Response,
    Retried,
    Skipped,
    Source,
    TagLister,
    Target,
    Transport,
    TransportError,
    Untagger,
    Warned,
    Writer,
)


class Shelf:
    """Target in memory, with everything that a target may do."""

    name: str = "shelf"

    def __init__(self) -> None:
        self._contents: dict[str, tuple[Descriptor, bytes]] = {}
        self._tags: dict[str, Descriptor] = {}

    def resolve(self, name: str) -> Descriptor:
        """Return the descriptor of a tag or digest."""
        if name in self._tags:
            return self._tags[name]
        if name in self._contents:
            return self._contents[name][0]
        raise NotFoundError(f"the shelf has no {name}")

    def fetch(self, what: Descriptor) -> io.BytesIO:
        """Open content."""
        return self.fetch_from(what, 0)

    def fetch_from(self, what: Descriptor, start: int) -> io.BytesIO:
        """Open content at a byte."""
        return io.BytesIO(self._contents[what.digest][1][start:])

    def exists(self, what: Descriptor) -> bool:
        """Return whether the content is here."""
        return what.digest in self._contents

    def push(self, what: Descriptor, reader: Reader) -> None:
        """Keep content."""
        buffer = memoryview(bytearray(what.size))
        start = 0
        while count := reader.readinto(buffer[start:]):
            start += count
        self._contents[what.digest] = (what, bytes(buffer))

    def tag(self, what: Descriptor, name: str) -> None:
        """Tag a manifest."""
        self._tags[name] = what

    def tags(self) -> list[str]:
        """Return all tags."""
        return [*self._tags]

    def referrers(self, _digest: Digest) -> tuple[Descriptor, ...]:
        """Return no referrers."""
        return ()

    def untag(self, name: str) -> None:
        """Remove a tag."""
        del self._tags[name]

    def delete(self, what: Descriptor) -> None:
        """Delete content."""
        del self._contents[what.digest]


class Direct:
    """Transport that answers every request itself."""

    def __init__(self) -> None:
        self.closed: bool = False

    def send(self, asked: Request, cancel: Cancellation) -> Response:
        """Answer a request with its own header fields."""
        if cancel.cancelled:
            raise TransportError("cancelled")
        fields = Headers([("X-Method", asked.method), ("X-Target", asked.target)])
        return Response(200, fields, io.BytesIO(str(asked.origin).encode()), peer=None)

    def close(self) -> None:
        """Close nothing."""
        self.closed = True


def direct() -> None:
    """Use a transport without a client."""
    transport: Transport = Direct()
    origin = Origin.of("https", "registry.example:5000")
    assert_type(origin, Origin)
    assert_type(origin.scheme, str)
    assert_type(origin.host, str)
    assert_type(origin.port, int)
    assert_type(origin.authority, str)
    cancellation = Cancellation()
    request = Request(
        method="PUT",
        origin=origin,
        target="/v2/",
        headers=Headers([("X-Team", "acme")]),
        body=b"content",
        public_only=True,
    )
    assert_type(request.method, str)
    assert_type(request.origin, Origin)
    assert_type(request.target, str)
    assert_type(request.headers, Headers)
    assert_type(request.body, bytes | Source)
    assert_type(request.public_only, bool)
    assert_type(request.size, int)
    ticket = cancellation.attach(abort=transport.close)
    assert_type(ticket, int)
    cancellation.detach(ticket=ticket)
    assert_type(cancellation.wait(seconds=0.0), bool)
    assert_type(cancellation.cancelled, bool)
    response = transport.send(request, cancellation)
    assert_type(response.status, int)
    assert_type(response.headers, Headers)
    assert_type(response.body, Reader)
    assert_type(response.peer, str | None)
    cancellation.cancel()
    transport.close()


class FromEnvironment:
    """Credentials from variables of the environment."""

    def find(self, host: str, _repository: str) -> Found | None:
        """Return the credential for a registry."""
        password = os.environ.get("PASSWORD_OF_" + host)
        return Found(Credential("user", password), "the environment") if password else None


class Text:
    """Content that can be sent again."""

    def __init__(self, text: str) -> None:
        self._content: bytes = text.encode()

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._content)

    def open(self) -> io.BytesIO:
        """Open the content."""
        return io.BytesIO(self._content)


class Chunks:
    """Writable object that is not a file."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """Keep a chunk."""
        self.chunks.append(chunk)


def protocols() -> Iterable[object]:
    """Assign the objects to all protocols that they implement."""
    shelf = Shelf()
    target: Target = shelf
    tag_lister: TagLister = shelf
    referrer_lister: ReferrerLister = shelf
    range_fetcher: RangeFetcher = shelf
    untagger: Untagger = shelf
    deleter: Deleter = shelf
    source: Source = Text("text")
    writer: Writer = Chunks()
    credential_source: CredentialSource = FromEnvironment()
    return target, tag_lister, referrer_lister, range_fetcher, untagger, deleter, source, writer, credential_source


def on_event(event: Event) -> None:
    """Look at every field of every event."""
    match event:
        case Progress() as progress:
            assert_type(progress.action, Literal["pull", "push"])
            assert_type(progress.digest, Digest)
            assert_type(progress.offset, int)
            assert_type(progress.size, int | None)
            assert_type(progress.title, str)
        case Skipped() as skipped:
            assert_type(skipped.action, Literal["pull", "push"])
            assert_type(skipped.digest, Digest)
            assert_type(skipped.size, int)
            assert_type(skipped.title, str)
        case Warned() as warned:
            assert_type(warned.registry, str)
            assert_type(warned.text, str)
        case Exchanged() as exchanged:
            assert_type(exchanged.request, str)
            assert_type(exchanged.status, int)
            assert_type(exchanged.seconds, float)
        case Redirected() as redirected:
            assert_type(redirected.request, str)
            assert_type(redirected.origin, str)
        case Retried() as retried:
            assert_type(retried.request, str)
            assert_type(retried.reason, str)
            assert_type(retried.seconds, float)
            assert_type(retried.tries, int)
            assert_type(retried.refused, bool)
        case Parked() as parked:
            assert_type(parked.registry, str)
            assert_type(parked.reason, str)
            assert_type(parked.until, datetime | None)
            assert_type(parked.only_pulls, bool)
        case Authorized() as authorized:
            assert_type(authorized.registry, str)
            assert_type(authorized.realm, str)
            assert_type(authorized.scopes, tuple[str, ...])
            assert_type(authorized.account, str)
        case _:
            assert_never(event)
