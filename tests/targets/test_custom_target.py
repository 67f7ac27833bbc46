"""Targets of users' own: what lading makes of what they do, what they fail to do, and what they do wrong."""

from __future__ import annotations

import errno
import io as streams
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.sqlite_target import SQLiteTarget
from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    Digest,
    DigestMismatchError,
    InvalidDigestError,
    InvalidReferenceError,
    InvalidTagError,
    LadingError,
    ManifestUnknownError,
    NotFoundError,
    Reader,
    SizeMismatchError,
    StorageError,
    Target,
    TargetReference,
    UnsupportedError,
)
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.memory_target import MemoryTarget
from lading._io.base import IO
from lading.target import Capabilities

APP = "localhost:5000/acme/app"
CONTENT = b"content"
BLOB = Descriptor.of(CONTENT, "application/octet-stream")
DIGEST = Digest.of(b"")


class Plain:
    """A target with the methods of every target and no others."""

    def __init__(self) -> None:
        self.kept = MemoryTarget()

    def resolve(self, tag_or_digest: str) -> Descriptor:
        return self.kept.resolve(tag_or_digest)

    def fetch(self, content: Descriptor) -> Reader:
        return self.kept.fetch(content)

    def exists(self, content: Descriptor) -> bool:
        return self.kept.exists(content)

    def push(self, content: Descriptor, stream: Reader) -> None:
        self.kept.push(content, stream)

    def tag(self, manifest: Descriptor, tag: str) -> None:
        self.kept.tag(manifest, tag)


def artifact(content: bytes = CONTENT) -> Artifact:
    return Artifact.pack("application/vnd.acme.v1", [Blob(content, title="file")])


@pytest.mark.parametrize(
    ("target", "tag_or_digest", "text"),
    [
        (Plain(), "v1", "Plain:v1"),
        (Plain(), DIGEST, f"Plain@{DIGEST}"),
        (Plain(), None, "Plain"),
        (MemoryTarget("shelf"), "v1", "shelf:v1"),
        (MemoryTarget("shelf"), str(DIGEST), f"shelf@{DIGEST}"),
    ],
)
def test_a_reference_reads_well(target: Target, tag_or_digest: str | None, text: str) -> None:
    assert str(TargetReference(target, tag_or_digest)) == text


def test_a_reference_has_a_tag_or_a_digest() -> None:
    tagged, exact = TargetReference(Plain(), "v1"), TargetReference(Plain(), str(DIGEST))
    assert (tagged.tag, tagged.digest) == ("v1", None)
    assert (exact.tag, exact.digest) == (None, DIGEST)
    with pytest.raises(InvalidTagError):
        TargetReference(Plain(), "v/1")
    with pytest.raises(InvalidDigestError):
        TargetReference(Plain(), "sha256:1")


def test_what_a_target_can_do_is_seen_by_its_methods(tmp_path: Path) -> None:
    nothing, everything = Capabilities.of(Plain()), Capabilities.of(SQLiteTarget(tmp_path / "content.db"))
    assert nothing == Capabilities(tags=None, referrers=None, ranges=None, untag=None, delete=None)
    for capability in ("tags", "referrers", "ranges", "untag", "delete"):
        assert getattr(everything, capability) is not None


async def test_five_methods_are_enough(client: AsyncClient, tmp_path: Path) -> None:
    reference = TargetReference(Plain(), "1")
    pushed = await client.push(f"{APP}:1", artifact())
    await client.copy(f"{APP}:1", reference)
    assert not (await client.verify(reference)).problems
    assert (await client.pull(reference, tmp_path)).paths[0].read_bytes() == CONTENT
    assert (await client.copy(reference, f"oci:{tmp_path / 'layout'}:1")).descriptor.digest == pushed.digest


async def test_what_a_target_cannot_do_is_said(client: AsyncClient) -> None:
    target = Plain()
    await client.push(TargetReference(target, "1"), artifact())
    with pytest.raises(UnsupportedError, match=r"Plain cannot list its tags: it does not implement lading\.TagLister"):
        await client.copy_tags(TargetReference(target), APP)
    with pytest.raises(
        UnsupportedError, match=r"Plain cannot list referrers: it does not implement lading\.ReferrerLister"
    ):
        await client.referrers_tree(TargetReference(target, "1"))
    with pytest.raises(UnsupportedError, match="cannot find referrers in Plain"):
        await client.copy(TargetReference(target, "1"), f"{APP}:1", referrers=True)


async def test_the_manifest_has_to_be_named(client: AsyncClient) -> None:
    target = Plain()
    await client.push(TargetReference(target, "1"), artifact())
    with pytest.raises(InvalidReferenceError, match="Plain: give the tag or digest of a manifest"):
        await client.verify(TargetReference(target))
    with pytest.raises(InvalidReferenceError, match="Plain:1: leave the tag out"):
        await client.copy_tags(TargetReference(target, "1"), APP)


async def pushed_and_pulled(client: AsyncClient, reference: TargetReference, directory: Path) -> None:
    await client.push(reference, artifact(b"more"))
    await client.pull(reference, directory)


@pytest.mark.parametrize("method", ["resolve", "fetch", "exists", "push", "tag"])
async def test_an_error_of_a_target_names_the_target(
    client: AsyncClient, method: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("the reason")

    target = Plain()
    reference = TargetReference(target, "1")
    await client.push(reference, artifact())
    monkeypatch.setattr(target, method, broken)
    with pytest.raises(StorageError, match=r"Plain cannot .*: KeyError: 'the reason'") as caught:
        await pushed_and_pulled(client, reference, tmp_path)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("method", ["readinto", "close"])
async def test_an_error_of_what_a_target_opens_names_the_target(
    client: AsyncClient, method: str, tmp_path: Path
) -> None:
    class Broken:
        def __init__(self) -> None:
            self.content = streams.BytesIO(CONTENT)

        def readinto(self, buffer: memoryview, /) -> int:
            return self.fail() if method == "readinto" else self.content.readinto(buffer)

        def close(self) -> None:
            if method == "close":
                self.fail()

        def fail(self) -> int:
            raise OSError(5, "the reason")

    class Breaking(Plain):
        def fetch(self, content: Descriptor) -> Reader:
            return Broken() if content.digest == BLOB.digest else super().fetch(content)

    reference = TargetReference(Breaking(), "1")
    await client.push(reference, artifact())
    with pytest.raises(StorageError, match=rf"Breaking cannot read {BLOB.digest}: OSError: .*the reason") as caught:
        await client.pull(reference, tmp_path)
    assert caught.value.errno == 5


async def test_listings_that_fail_name_the_target(client: AsyncClient) -> None:
    class Breaking(MemoryTarget):
        def tags(self) -> list[str]:
            raise KeyError("the reason")

    with pytest.raises(StorageError, match="shelf cannot list its tags: KeyError: 'the reason'"):
        await client.copy_tags(TargetReference(Breaking("shelf")), APP)


async def test_an_error_of_lading_s_stays_as_it_is(client: AsyncClient) -> None:
    with pytest.raises(NotFoundError, match="memory has no absent") as caught:
        await client.verify(TargetReference(MemoryTarget(), "absent"))
    assert type(caught.value) is ManifestUnknownError


async def test_t_20_what_a_target_gives_is_verified(client: AsyncClient, tmp_path: Path) -> None:
    class Wrong(Plain):
        def fetch(self, content: Descriptor) -> Reader:
            return streams.BytesIO(bytes(content.size))

    reference = TargetReference(Wrong(), "1")
    pushed = await client.push(reference, artifact())
    for copied in (reference, TargetReference(reference.target, pushed.digest)):
        with pytest.raises(DigestMismatchError):
            await client.copy(copied, f"oci:{tmp_path}:1")


async def test_t_20_another_manifest_than_was_asked_for_is_refused(client: AsyncClient) -> None:
    class Wrong(Plain):
        def resolve(self, tag_or_digest: str) -> Descriptor:
            return super().resolve("1")

    target = Wrong()
    await client.push(TargetReference(target, "1"), artifact())
    with pytest.raises(DigestMismatchError, match=f"Wrong: resolved {DIGEST} to sha256:"):
        await client.verify(TargetReference(target, DIGEST))


class Source(Plain):
    """A target that gives some other bytes for one blob, or the right ones in another way."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        super().__init__()
        self.reader = reader

    def fetch(self, content: Descriptor) -> Reader:
        return self.reader() if content.digest == BLOB.digest else super().fetch(content)


class Destination(Plain):
    """A target with its own way to read what is pushed."""

    def __init__(self, read: Callable[[Reader], None]) -> None:
        super().__init__()
        self.read = read

    def push(self, content: Descriptor, stream: Reader) -> None:
        if content.digest == BLOB.digest:
            self.read(stream)
        super().push(content, stream)


async def copied(client: AsyncClient, reader: Callable[[], Reader], read: Callable[[Reader], None]) -> Destination:
    source, destination = Source(reader), Destination(read)
    await client.push(TargetReference(source, "1"), artifact())
    await client.copy(TargetReference(source, "1"), TargetReference(destination, "1"))
    return destination


def buffer(size: int = 100) -> memoryview:
    return memoryview(bytearray(size))


@pytest.mark.parametrize(
    ("sent", "error"),
    [(b"CONTENT", DigestMismatchError), (b"content!", SizeMismatchError), (b"conten", SizeMismatchError)],
)
@pytest.mark.parametrize("size", [1, len(CONTENT), 100])
async def test_t_20_wrong_content_never_comes_whole(
    client: AsyncClient, sent: bytes, error: type[LadingError], size: int
) -> None:
    came = bytearray()

    def read(stream: Reader) -> None:
        piece = buffer(size)
        while count := stream.readinto(piece):
            came.extend(piece[:count])

    with pytest.raises(error):
        await copied(client, lambda: streams.BytesIO(sent), read)
    assert len(came) < len(CONTENT)


@pytest.mark.parametrize("raised", [None, RuntimeError("unable")])
async def test_t_20_wrong_content_is_an_error_whatever_the_target_makes_of_it(
    client: AsyncClient, raised: RuntimeError | None
) -> None:
    def read(stream: Reader) -> None:
        for _ in range(2):  # it does not become right by asking again
            with pytest.raises(DigestMismatchError):
                stream.readinto(buffer())
        if raised is not None:
            raise raised

    with pytest.raises(DigestMismatchError):
        await copied(client, lambda: streams.BytesIO(b"CONTENT"), read)


async def test_a_buffer_is_filled(client: AsyncClient) -> None:
    class Slow(streams.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as lading's Reader has it
            return super().readinto(buffer[:1])

    def read(stream: Reader) -> None:
        counts.extend(stream.readinto(buffer(4)) for _ in range(3))

    counts: list[int | None] = []
    await copied(client, lambda: Slow(CONTENT), read)
    assert counts == [4, 3, 0]


async def test_a_buffer_may_be_a_bytearray(client: AsyncClient) -> None:
    came = bytearray(100)

    def read(stream: Reader) -> None:
        assert stream.readinto(came) == len(CONTENT)  # type: ignore[arg-type]  # as binary files are often read

    await copied(client, lambda: streams.BytesIO(CONTENT), read)
    assert came.startswith(CONTENT)


@pytest.mark.parametrize("count", [-1, len(CONTENT) + 100])
async def test_a_count_that_no_read_can_have_is_an_error(client: AsyncClient, count: int, tmp_path: Path) -> None:
    class Wrong(streams.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as lading's Reader has it
            return count

    source = TargetReference(Source(Wrong), "1")
    await client.push(source, artifact())
    for destination in (f"{APP}:1", f"oci:{tmp_path / 'layout'}:1"):
        with pytest.raises(StorageError, match=f"readinto returned {count} for a buffer") as caught:
            await client.copy(source, destination)
        assert caught.value.side == "source"


async def test_an_error_of_a_destination_is_of_the_destination(client: AsyncClient, tmp_path: Path) -> None:
    class Full(Plain):
        def push(self, content: Descriptor, stream: Reader) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    layout = f"oci:{tmp_path / 'layout'}:1"
    for place in (f"{APP}:1", layout):
        await client.push(place, artifact())
        with pytest.raises(StorageError, match=r"^cannot write blob .* to Full: Full cannot store ") as caught:
            await client.copy(place, TargetReference(Full(), "1"))
        assert (caught.value.side, caught.value.errno) == ("destination", errno.ENOSPC)
        assert caught.value.digest is not None


async def test_what_is_there_need_not_be_read_and_nothing_is_half_read(client: AsyncClient) -> None:
    class Half(Plain):
        def push(self, content: Descriptor, stream: Reader) -> None:
            if content.digest == BLOB.digest:
                stream.readinto(buffer(sizes.pop()))
            else:
                super().push(content, stream)

    sizes = [0, 3]
    with pytest.raises(StorageError, match=f"Half did not read {BLOB.digest} to its end"):
        await client.push(TargetReference(Half(), "1"), artifact())
    await client.push(TargetReference(Half(), "1"), artifact())


async def test_content_is_opened_in_the_middle_where_the_target_can(io: IO, tmp_path: Path) -> None:
    for target, start in ((Plain(), 0), (SQLiteTarget(tmp_path / "content.db"), 3)):
        target.push(BLOB, streams.BytesIO(CONTENT))
        async with CustomTarget(io, target).fetch(BLOB).open(3) as stream:
            assert stream.start == start
            assert stream.reader.readinto(buffer()) == len(CONTENT) - start


async def test_what_references_stand_for_is_found_in_any_place(client: AsyncClient, tmp_path: Path) -> None:
    target = Plain()
    pushed = await client.push(TargetReference(target, "1"), artifact())
    await client.copy(TargetReference(target, "1"), f"{APP}:1")
    await client.copy(TargetReference(target, "1"), f"oci:{tmp_path}:1")
    for place in (f"{APP}:1", f"oci:{tmp_path}:1", f"oci:{tmp_path}", TargetReference(target, "1")):
        assert (await client.resolve(place)).digest == pushed.digest
    with pytest.raises(ManifestUnknownError):
        await client.resolve(f"oci:{tmp_path}:2")


async def test_calls_at_the_same_time_push_a_blob_once(client: AsyncClient, io: IO) -> None:
    pushed: list[Digest] = []

    class Counting(Plain):
        def push(self, content: Descriptor, stream: Reader) -> None:
            super().push(content, stream)
            pushed.append(content.digest)

    target = Counting()
    await io.map(lambda tag: client.push(TargetReference(target, tag), artifact()), ["1", "2", "3"], limit=3)
    assert pushed.count(BLOB.digest) == 1


async def test_a_target_that_resolves_to_nothing_at_all_is_named(client: AsyncClient) -> None:
    class Forgetful(Plain):
        def resolve(self, tag_or_digest: str) -> Descriptor:
            return None  # type: ignore[return-value]  # which is what the test is about

    with pytest.raises(StorageError, match="Forgetful cannot resolve 1: TypeError: resolve returned NoneType"):
        await client.verify(TargetReference(Forgetful(), "1"))
