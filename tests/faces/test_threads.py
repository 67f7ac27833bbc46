"""One client in many threads at once: its connections, its tokens, and what it reads from a manifest only once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import pytest

from lading import Client, Descriptor, Document, ImageManifest, Manifest
from lading.testing import Access, Setup, User, serving

THREADS = 16
T = TypeVar("T")


def at_once(work: Callable[[int], T]) -> list[T]:
    """Do the work in every thread; none starts before all can."""
    ready = threading.Barrier(THREADS, timeout=60)

    def run(number: int) -> T:
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(run, range(THREADS)))


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_threads_that_share_a_client_share_its_logins_and_connections(
    tmp_path: Path, scheme: Literal["bearer", "basic"]
) -> None:
    setup = Setup(access=Access(users=(User("ann", "a password"),)), scheme=scheme)
    with (
        serving(tmp_path, setup) as registry,
        Client(credentials={registry.name: ("ann", "a password")}) as client,
    ):
        blobs = client.repository(f"{registry.name}/acme/app").blobs

        def work(number: int) -> bytes:
            own = blobs.push(b"%d" % number)
            assert blobs.pull(blobs.push(b"what all push")) == b"what all push"
            return blobs.pull(own)

        assert at_once(work) == [b"%d" % number for number in range(THREADS)]


def test_threads_read_one_document_from_a_manifest_that_they_share() -> None:
    config = Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json")
    raw = Manifest.of(ImageManifest(config=config, layers=(config,) * 50)).raw
    for _ in range(20):
        manifest = Manifest.parse(raw)

        def read(_: int, manifest: Manifest[Document] = manifest) -> Document:
            return manifest.document

        documents = at_once(read)
        assert documents == [documents[0]] * THREADS
        assert isinstance(documents[0], ImageManifest)
