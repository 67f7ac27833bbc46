"""Wrong types that type checkers catch: each line has the comments with which both of them would pass it.

A comment that suppresses nothing is an error itself, so that each line proves that mypy and basedpyright refuse it. At
run time, most of these calls raise `TypeError` or `ValueError`: test_wrong_types.py makes them.
"""

from __future__ import annotations

from pathlib import Path

import lading
import lading.testing
from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Client,
    Descriptor,
    Event,
    Image,
    ImageManifest,
    Manifest,
    Reader,
    TargetReference,
)


async def on_event(_event: Event) -> None:
    """Would never run."""


async def change(image: Image) -> Image:
    """Would never run."""
    return image


class NoTarget:
    """Target whose pushes have no content."""

    def resolve(self, name: str) -> Descriptor:
        """Return a descriptor."""
        raise NotImplementedError(name)

    def push(self, _content: Descriptor) -> None:
        """Push nothing."""


class NoSource:
    """Source of credentials that returns a pair."""

    def find(self, registry: str, repository: str) -> tuple[str, str]:
        """Return a pair."""
        return registry, repository


def options() -> None:
    """Give options of a client a wrong type."""
    Client(retries=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(links_below=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(on_event=on_event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(credentials={"h": "a:b"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    Client(credentials="a:b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(plain_http=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(budgets={"blob": 1})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(gate=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(headers=[("X-Team", "acme")])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("ghcr.io")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AsyncClient(retries=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient(on_event=on_event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient(credentials={"h": "a:b"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]


def verbs(client: Client, artifact: Artifact, image: Image) -> None:
    """Give verbs of the blocking face a wrong type."""
    client.push("acme/app:1", ["file"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.attach("acme/app:1", "file")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.push(Path("acme/app"), artifact)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.resolve(Path("acme/app"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.copy("a:1", Path("acme/app"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.copy("a:1", "b:1", index="full")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.copy("a:1", "b:1", platforms=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    client.resolve_many([Path("acme/app")])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    client.images.edit("a:1", "b:1", change)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.images.convert("a:1", "b:1", "OCI")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.images.push("a:1", "b:1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.push_blob("a", b"content")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.pull_blob("a", 1, "file")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.pull_blob("a", "sha256:" + "0" * 64, print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.push_manifest("a:1", "{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.export_file("a:1", "/b", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    image.mutated(entrypoint="/hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    image.mutated(cmd="--help")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    image.appended("layer.tar")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Artifact.pack("acme/thing", b"content")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Blob("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_verbs(client: AsyncClient, artifact: Artifact) -> None:
    """Give verbs of the async face a wrong type."""
    await client.push("acme/app:1", ["file"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.attach("acme/app:1", "file")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.push(Path("acme/app"), artifact)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.images.edit("a:1", "b:1", change)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.push("acme/app:1", artifact)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


def documents(client: Client, reader: Reader) -> None:
    """Take a document for another one, and content for another kind of content."""
    manifests, blobs = client.repository("acme/app").manifests, client.repository("acme/app").blobs
    manifests.push(ImageManifest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    blobs.push("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    blobs.push(reader)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    blobs.push_stream(b"content")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def only_for_checkers(client: Client) -> None:
    """Make mistakes that show at run time only later, if at all."""
    manifests = client.repository("acme/app").manifests
    Client(credentials=NoSource())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TargetReference(NoTarget(), "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manifests.pull("1", dict)  # type: ignore[type-var]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Manifest.of({"layers": []})  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    lading.Clinet()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    lading.testing.Fualts()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    found, parsed = manifests.pull("1").document, Manifest.parse(b"").document
    found.layers = ()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    parsed.layers = ()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
