"""A registry with the quirks of a profile, its token server and its store of blobs, each on a host of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading import Client, Retries
from lading._io.base import IO, Handler, step
from lading._io.blocking import BlockingIO
from lading._wire.messages import Origin, Request
from lading.auth.credentials import Credential
from lading.headers import Headers
from lading.server.handler import EmbeddedRegistry
from lading.testing import Fault, Faults, RefuseField, Say, Setup, Sites, TestRegistry, Watch
from lading.testing.body_helpers import BufferedBody, read_answer
from lading.transports.direct import DirectTransport
from tests.support.images import MANIFEST, Image, sha256

HOST = "registry.example.com"
AUTH = "https://auth.example.com"
STORE = "https://store.example.net"
PASSWORD = "s3cret-word"
REALM = f"{AUTH}/token"
# What a store says to whoever brings credentials along with a signed URL.
_ONE_WAY_ONLY = Say(
    400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A registry: its setup, its quirks in the order in which they stand before it, and who logs in how.

    `catalog`, `referrers`, `deletes_tags` and `deletes_manifests` are what it does at all. Referrers are listed where
    there is no API too, by their tag, unless the registry says something else than that it has none.
    """

    setup: Setup
    quirks: tuple[tuple[Fault, str], ...] = ()
    credential: Credential | tuple[str, str] = ("ann", PASSWORD)
    catalog: bool = True
    referrers: bool = True
    deletes_tags: bool = True
    deletes_manifests: bool = True


@dataclass
class World:
    """A profile at work. `handler` answers for all of its hosts."""

    profile: Profile
    root: Path
    io: IO = field(default_factory=BlockingIO)
    registry: TestRegistry = field(init=False)
    auth: Watch = field(init=False)
    store: Watch = field(init=False)
    handler: Handler = field(init=False)

    def __post_init__(self) -> None:
        io = self.io
        self.registry = TestRegistry(self.root, io, Origin("https", HOST, 443), self.profile.setup)
        for fault, requests in self.profile.quirks:
            self.registry.order(fault, requests)
        self.auth = Watch(self.registry.tokens or EmbeddedRegistry(self.root, io))
        signed = Faults(EmbeddedRegistry(self.root, io), io)
        signed.order(RefuseField("Authorization", _ONE_WAY_ONLY))
        self.store = Watch(signed)
        sites: dict[str, Handler] = {f"https://{HOST}": self.registry, AUTH: self.auth, STORE: self.store}
        self.handler = Sites(sites)

    def client(self, **options: Any) -> Client:
        settings: dict[str, Any] = {
            "credentials": {HOST: self.profile.credential},
            "retries": Retries(first_wait=0.0),
            **options,
        }
        return Client(transport=DirectTransport(self.handler), **settings)


def stock(root: Path, name: str, image: Image, tags: list[str]) -> None:
    """Push an image into the directory of a registry, behind its back."""
    registry = EmbeddedRegistry(root, BlockingIO())
    origin = Origin("http", "localhost", 80)

    def ask(method: str, target: str, content: bytes) -> None:
        headers = Headers([("Content-Type", MANIFEST)] if method == "PUT" else [])
        response = step(registry.handle(Request(method, origin, target, headers), BufferedBody(content)))
        assert response.status == 201, read_answer(response.body)

    for blob in (image.config, image.layer):
        ask("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(blob)}", blob)
    for start in range(0, len(tags), 50):
        query = "&".join(f"tag={tag}" for tag in tags[start : start + 50])
        ask("PUT", f"/v2/{name}/manifests/{sha256(image.manifest)}?{query}", image.manifest)
