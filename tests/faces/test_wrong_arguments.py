"""Arguments that the client and its verbs cannot mean: refused at the call, before any request, in both faces."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lading
from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Budgets,
    Client,
    ClientClosedError,
    Image,
    ImageIndex,
    LadingError,
    Manifest,
)
from tests.support.transports import Recording

APP = "localhost:5000/acme/app"
REF = f"{APP}:1"
SECRET = "s3cret-passw0rd"
THING = Artifact.pack("application/vnd.example.thing.v1", [Blob(b"content", title="thing")])
INDEX = Manifest.of(ImageIndex(manifests=()))


async def handler(_event: object) -> None:
    """A handler that would never run."""


class Handler:
    """One with a method in its place."""

    async def __call__(self, _event: object) -> None: ...

    async def handle(self, _event: object) -> None: ...


OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"retries": 3}, TypeError, "retries must be a lading.Retries or None, not int: write Retries(tries=…)"),
    ({"budgets": {"manifest": 1}}, TypeError, "budgets must be a lading.Budgets or None, not dict: write Budgets(…)"),
    ({"gate": True}, TypeError, "gate must be a lading.Gate or None, not bool: write Gate(…)"),
    ({"timeout": "60"}, TypeError, "timeout must be a number of seconds above 0, or None, not str"),
    ({"timeout": True}, TypeError, "timeout must be a number of seconds above 0, or None, not bool"),
    ({"timeout": 0}, ValueError, "timeout must be a number of seconds above 0, or None, not 0"),
    ({"timeout": -1.0}, ValueError, "timeout must be a number of seconds above 0, or None, not -1.0"),
    ({"timeout": float("nan")}, ValueError, "timeout must be a number of seconds above 0, or None, not nan"),
    ({"concurrency": 0}, ValueError, "concurrency must be an integer, at least 1, or None, not 0"),
    ({"concurrency": 2.0}, TypeError, "concurrency must be an integer, at least 1, or None, not float"),
    ({"ranges": 17}, ValueError, "ranges must be an integer from 1 to 16, or None, not 17"),
    ({"on_event": handler}, TypeError, "on_event must be a plain function, not 'async def'"),
    ({"on_event": partial(handler)}, TypeError, "on_event must be a plain function, not 'async def'"),
    ({"on_event": Handler()}, TypeError, "on_event must be a plain function, not 'async def'"),
    ({"on_event": Handler().handle}, TypeError, "on_event must be a plain function, not 'async def'"),
    ({"on_event": [print]}, TypeError, "on_event must be a plain function, not list"),
    (
        {"credentials": ("ann", SECRET)},
        TypeError,
        "credentials must be a mapping or a source of credentials",
    ),
    ({"credentials": f"ann:{SECRET}"}, TypeError, "credentials must be a mapping or a source of credentials"),
    ({"credentials": {"ghcr.io": f"ann:{SECRET}"}}, TypeError, ""),
    ({"credentials": {"ghcr.io": ("ann", SECRET, "x")}}, Exception, ""),
    ({"credentials": {"not a host": ("ann", SECRET)}}, ValueError, ""),
    ({"headers": [("X-A", "b")]}, TypeError, "headers must be a mapping of strings to strings, or None, not list"),
    ({"headers": {"X-A": 1}}, TypeError, "headers['X-A'] must be a string, not int"),
    ({"headers": {"Host": "x"}}, ValueError, "headers must not have 'Host': the transport sets it"),
    ({"headers": {"X A": "b"}}, ValueError, "header name 'X A' is not a token"),
    ({"plain_http": 5000}, TypeError, "plain_http must be a string or a list of strings, not int"),
    ({"plain_http": ["a.example", 5]}, TypeError, "plain_http[1] must be a string, not int"),
    ({"insecure": b"a.example"}, TypeError, "insecure must be a string or a list of strings, not bytes"),
    ({"insecure": "no host"}, ValueError, ""),
    ({"ca_file": b"x"}, TypeError, "ca_file must be a path"),
    ({"ca_file": ""}, ValueError, "ca_file must not be empty"),
    ({"state": 3}, TypeError, "state must be a path"),
    ({"client_certificates": "cert.pem"}, TypeError, ""),
    ({"client_certificates": []}, TypeError, "client_certificates must be a mapping"),
    ({"headers": ""}, TypeError, "headers must be a mapping of strings to strings, or None, not str"),
    ({"transport": "direct"}, TypeError, "transport must be an object with the methods send and close, not str"),
    ({"transport": Recording}, TypeError, "the methods send and close, not the class Recording"),
    ({"credentials": lading.Explicit}, TypeError, "credentials must be a mapping or a source of credentials"),
]


OPTION_IDS = [f"{at}-{next(iter(row[0]))}" for at, row in enumerate(OPTIONS)]


@pytest.mark.parametrize("face", [Client, AsyncClient])
@pytest.mark.parametrize(("options", "kind", "message"), OPTIONS, ids=OPTION_IDS)
def test_an_option_that_cannot_be_meant_is_refused(
    face: type[Any], options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        face(**options)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, (TypeError, ValueError))


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": None},
        {"timeout": 0.5},
        {"plain_http": "registry.example"},
        {"plain_http": ["registry.example", "other.example:5000"]},
        {"insecure": "registry.example:443"},
        {"credentials": {"ghcr.io": ("ann", SECRET)}},
        {"state": Path("state")},
        {"budgets": Budgets(manifest=1)},
    ],
    ids=str,
)
def test_an_option_that_makes_sense_is_accepted(options: dict[str, Any]) -> None:
    Client(**options).close()


Call = Callable[[Any], object]
CALLS: dict[str, tuple[Call, type[Exception], str]] = {
    "push a list": (lambda c: c.push(REF, ["file"]), TypeError, "make one with Artifact.pack(type, files)"),
    "push a path": (lambda c: c.push(REF, "file"), TypeError, "artifact must be a lading.Artifact, not str"),
    "attach a path": (lambda c: c.attach(REF, "file"), TypeError, "artifact must be a lading.Artifact, not str"),
    "a path as reference": (lambda c: c.push(Path("layout"), THING), TypeError, "the reference must be"),
    "bytes as reference": (lambda c: c.resolve(b"x"), TypeError, "the reference must be"),
    "None as reference": (lambda c: c.inspect(None), TypeError, "the reference must be"),
    "a list for one reference": (lambda c: c.resolve([REF]), TypeError, "the reference must be"),
    "one reference for many": (lambda c: c.resolve_many(REF), TypeError, "references must be a list of"),
    "a platform of another type": (lambda c: c.resolve(REF, platform=("linux", "amd64")), TypeError, "platform"),
    "a platform that is none": (lambda c: c.resolve(REF, platform="lin ux"), ValueError, "platform"),
    "platforms of another type": (lambda c: c.copy(REF, f"{APP}:2", platforms=[1]), TypeError, "platforms[0]"),
    "no form of an index": (
        lambda c: c.copy(REF, f"{APP}:2", index="full"),
        ValueError,
        "'sparse' or 'rewritten'",
    ),
    "a form of an index without platforms": (
        lambda c: c.copy(REF, f"{APP}:2", index="rewritten"),
        ValueError,
        "index='rewritten' needs platforms, which choose the entries",
    ),
    "a platform that is none, of many": (lambda c: c.resolve_many([REF], platform="lin ux"), ValueError, "platform"),
    "a text for a flag": (lambda c: c.copy(REF, f"{APP}:2", dry_run="no"), TypeError, "dry_run must be True or False"),
    "no depth": (lambda c: c.copy(REF, f"{APP}:2", depth=0), ValueError, "depth must be an integer, at least 1, not 0"),
    "too deep": (lambda c: c.referrers_tree(REF, depth=33), ValueError, "depth must be an integer from 1 to 32"),
    "annotations as pairs": (lambda c: c.referrers_tree(REF, annotations=[("a", "b")]), TypeError, "annotations"),
    "a pattern of another type": (lambda c: c.copy_tags(APP, "oci:x", ["v1"]), TypeError, "pattern must be a string"),
    "results for nothing": (lambda c: c.copy_tags(APP, "oci:x", on_result="x"), TypeError, "on_result must be a plain"),
    "a text for fail_fast": (lambda c: c.copy_tags(APP, "oci:x", fail_fast="no"), TypeError, "True or False"),
    "a directory that is none": (lambda c: c.pull(REF, 3), TypeError, "directory must be a path"),
    "no directory": (lambda c: c.pull(REF, ""), ValueError, "directory must not be empty"),
    "a path of another type": (lambda c: c.read_file(REF, Path("/x")), TypeError, "path must be a string"),
    "a path that no image has": (lambda c: c.read_file(REF, "\ud800"), ValueError, "characters that no path has"),
    "an output that is none": (lambda c: c.export_tar(REF, 1), TypeError, "out must be a path"),
    "limits of another type": (lambda c: c.files(REF, limits=100), TypeError, "limits must be a lading.Limits or None"),
    "other limits of it": (lambda c: c.verify(REF, limits=100), TypeError, "limits must be a lading.Limits or None"),
    "shallow as a word": (lambda c: c.verify(REF, shallow="no"), TypeError, "shallow must be True or False"),
    "negative details": (lambda c: c.inspect(REF, details=-1), ValueError, "details must be an integer, at least 0"),
    "a tag of another type": (lambda c: c.tag(REF, 1), TypeError, "tags must be a string or a list of strings"),
    "an image of another type": (lambda c: c.images.push(REF, f"{APP}:2"), TypeError, "image must be a lading.Image"),
    "a change that cannot be called": (
        lambda c: c.images.edit(REF, f"{APP}:2", "x"),
        TypeError,
        "change must be a plain",
    ),
    "an async change": (lambda c: c.images.edit(REF, f"{APP}:2", handler), TypeError, "not 'async def'"),
    "a form that is none": (lambda c: c.images.convert(REF, f"{APP}:2", "v1"), ValueError, "'oci' or 'docker'"),
    "one manifest for many": (lambda c: c.indexes.create(REF, "amd64"), TypeError, "manifests must be a list of"),
    "a layer of another type": (lambda c: c.images.pack_layer(b"x"), TypeError, "path must be a path"),
    "a manifest of another type": (lambda c: c.repository(APP).manifests.push({}), TypeError, "manifest must be"),
    "a name of another type": (lambda c: c.repository(APP).manifests.pull(1), TypeError, "tag_or_digest must be"),
    "a kind that is none": (lambda c: c.repository(APP).manifests.pull("1", "index"), TypeError, "kind must be"),
    "media types of which none is left": (
        lambda c: c.repository(APP).manifests.pull("1", accept=[]),
        ValueError,
        "accept must name the media types to ask for",
    ),
    "an empty media type": (
        lambda c: c.repository(APP).manifests.exists("1", accept=""),
        ValueError,
        "accept must name the media types to ask for",
    ),
    "a blob of another type": (lambda c: c.repository(APP).blobs.pull(1), TypeError, "the blob must be"),
    "content of another type": (lambda c: c.repository(APP).blobs.push("text"), TypeError, "content must be bytes"),
    "a media type that is none": (
        lambda c: c.repository(APP).blobs.push(b"", media_type="text"),
        ValueError,
        "media type",
    ),
    "a media type of another type": (
        lambda c: c.repository(APP).blobs.push_file("file", media_type=None),
        TypeError,
        "media_type must be a string, not None",
    ),
    "a repository to mount from of another type": (
        lambda c: c.repository(APP).blobs.push(b"", mount_from=["acme/b"]),
        TypeError,
        "mount_from must be a string or None, not list",
    ),
    "a repository to mount from that is none": (
        lambda c: c.repository(APP).blobs.push(b"", mount_from="A"),
        ValueError,
        "repository name",
    ),
    "a media type of a manifest of another type": (
        lambda c: c.repository(APP).manifests.push(INDEX, media_type=5),
        TypeError,
        "media_type must be a string or None, not int",
    ),
    "a kind that is not of documents": (
        lambda c: c.repository(APP).manifests.pull("1", dict),
        TypeError,
        "kind must be a class of documents such as ImageManifest",
    ),
    "an algorithm of another type": (
        lambda c: c.repository(APP).uploads.start(algorithm=256),
        TypeError,
        "algorithm must be a string, not int",
    ),
    "an upload without its state": (
        lambda c: c.repository(APP).uploads.resume("https://x"),
        TypeError,
        "state must be a lading.UploadState, not str: keep the `state` of an upload",
    ),
    "no platform among platforms": (lambda c: c.copy(REF, f"{APP}:2", platforms=""), ValueError, "platform"),
    "a number for platforms": (lambda c: c.copy(REF, f"{APP}:2", platforms=0), TypeError, "platforms must be"),
    "a destination of another type": (
        lambda c: c.images.flatten(REF, Path("layout")),
        TypeError,
        "the reference must be",
    ),
    "a destination that is none": (lambda c: c.images.annotate(REF, "A B", {"a": "b"}), ValueError, "'A B'"),
    "a base of another type": (lambda c: c.images.rebase(REF, f"{APP}:2", old_base=1), TypeError, "the reference must"),
    "a base that is none": (lambda c: c.images.rebase(REF, f"{APP}:2", new_base="A B"), ValueError, "'A B'"),
    "an entry that is none": (lambda c: c.indexes.remove(REF, "a b"), ValueError, "'a b'"),
    "annotations of an index as pairs": (
        lambda c: c.indexes.create(REF, [], annotations=[]),
        TypeError,
        "annotations must be a mapping",
    ),
    "a stream that is none": (lambda c: c.repository(APP).blobs.push_stream(b"x"), TypeError, "binary file object"),
    "a repository of another type": (lambda c: c.repository(Path("x")), TypeError, ""),
    "a registry of another type": (lambda c: c.registry(None), TypeError, ""),
}


@pytest.mark.parametrize("case", CALLS)
def test_an_argument_that_cannot_be_meant_is_refused_before_any_request(wire: Recording, case: str) -> None:
    call, kind, message = CALLS[case]
    with Client(transport=wire) as client, pytest.raises(kind) as caught:
        call(client)
    assert message in str(caught.value)

    async def flow() -> None:
        async with AsyncClient(transport=wire) as client:
            made = call(client)
            assert asyncio.iscoroutine(made)
            await made

    with pytest.raises(kind) as caught_too:
        asyncio.run(flow())
    assert str(caught_too.value) == str(caught.value)
    assert wire.requests == []


def test_an_upload_takes_bytes_and_no_text(wire: Recording) -> None:
    with Client(transport=wire) as client:
        upload: Any = client.repository(APP).uploads.start()
        sent = len(wire.requests)
        for content in ("text", None, io.BytesIO(b"x"), Path("file")):
            for call in (upload.patch, partial(upload.finish, f"sha256:{'a' * 64}")):
                with pytest.raises(TypeError, match="content must be bytes, not"):
                    call(content)
    assert len(wire.requests) == sent


def test_a_piece_of_a_blob_has_a_size(wire: Recording) -> None:
    with Client(transport=wire) as client:
        blobs = client.repository(APP).blobs
        with blobs.open(blobs.push(b"content")) as stream:
            wrong: list[Any] = ["1", None, 1.5, True]
            for size in wrong:
                with pytest.raises(TypeError, match="size must be a whole number of bytes, not"):
                    stream.read(size)
            assert stream.read(3) == b"con"


def test_lists_of_tags_take_pages_of_a_size(wire: Recording) -> None:
    wrong: list[tuple[Any, type[Exception]]] = [(-1, ValueError), ("10", TypeError), (True, TypeError)]
    with Client(transport=wire) as client:
        for n, kind in wrong:
            with pytest.raises(kind, match="n must be an integer, at least 0, or None"):
                client.repository(APP).tags.list(n=n)
    assert wire.requests == []


CLOSED: dict[str, Call] = {
    "registry": lambda c: c.registry("localhost:5000"),
    "repository": lambda c: c.repository(APP),
    "tags": lambda c: c.tags(APP),
    "tags of a layout": lambda c: c.tags("oci:layout"),
    "resolve": lambda c: c.resolve(REF),
    "resolve many": lambda c: c.resolve_many([REF]),
    "resolve none": lambda c: c.resolve_many([]),
    "record": lambda c: c.record(),
    "resolve a layout": lambda c: c.resolve("oci:layout:1"),
    "push": lambda c: c.push(REF, THING),
    "pull": lambda c: c.pull(REF),
    "copy": lambda c: c.copy(REF, f"{APP}:2"),
    "verify": lambda c: c.verify(REF),
    "files": lambda c: c.files(REF),
    "images": lambda c: c.images,
    "indexes": lambda c: c.indexes,
}


@pytest.mark.parametrize("case", CLOSED)
def test_a_closed_client_says_so(wire: Recording, case: str) -> None:
    client = Client(transport=wire)
    client.close()
    with pytest.raises(ClientClosedError, match="the client is closed: make another one"):
        CLOSED[case](client)

    async def flow() -> None:
        async with AsyncClient(transport=wire) as client:
            pass
        made = CLOSED[case](client)
        assert asyncio.iscoroutine(made)
        await made

    with pytest.raises(ClientClosedError, match="the client is closed: make another one"):
        asyncio.run(flow())
    assert wire.requests == []


def test_what_a_closed_client_gave_out_says_so(wire: Recording) -> None:
    with Client(transport=wire) as client:
        repository, registry, images = client.repository(APP), client.registry("localhost:5000"), client.images
        digest = repository.blobs.push(b"content").digest
        upload = repository.uploads.start()
        stream = repository.blobs.open(digest)
        image = Image.scratch("linux/amd64")
    sent = len(wire.requests)
    calls: list[Callable[[], object]] = [
        registry.ping,
        lambda: list(registry.repositories()),
        lambda: list(repository.tags.list()),
        lambda: repository.manifests.pull("1"),
        lambda: repository.blobs.pull(digest),
        lambda: repository.blobs.push(b"more"),
        lambda: upload.patch(b"x"),
        stream.__enter__,
        client.__enter__,
        lambda: images.load(REF),
        lambda: images.load("oci:layout:1"),
        lambda: images.push(image, "oci:other:1"),
    ]
    for call in calls:
        with pytest.raises(ClientClosedError):
            call()
    assert len(wire.requests) == sent
    client.close()  # again, which does nothing


def test_a_closed_client_is_a_lading_error_and_a_runtime_error() -> None:
    assert issubclass(ClientClosedError, LadingError)
    assert issubclass(ClientClosedError, RuntimeError)


@pytest.mark.parametrize("face", [Client, AsyncClient])
def test_a_client_is_not_pickled_or_copied(face: type[Any], wire: Recording) -> None:
    client = face(transport=wire)
    for thing in (
        client,
        client.registry("localhost:5000"),
        client.repository(APP),
        client.repository(APP).blobs,
        client.images,
    ):
        for act in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                act(thing)


def test_every_public_error_can_be_pickled() -> None:
    kinds = [getattr(lading, name) for name in lading.__all__ if name.endswith("Error")]
    for kind in kinds:
        error = pickle.loads(pickle.dumps(kind("what went wrong")))  # noqa: S301  # made in the line itself
        assert (type(error), str(error)) == (kind, "what went wrong")
