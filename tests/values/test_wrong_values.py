"""Values that cannot be meant: each is refused where it is made, with a sentence that says what to write instead.

A wrong type is a `TypeError`, a wrong value a `ValueError`. To add a mistake, add a row: the call, the exception, the
message. Arguments of clients and their verbs are in tests/faces.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

import lading
import lading.testing as faults
from lading.errors import InvalidDigestError, InvalidReferenceError
from lading.stores.layout import Layout

# As an untyped program sees them: mypy would refuse most of these calls.
api = cast("Any", lading)
testing = cast("Any", faults)
layouts = cast("Any", Layout)

DIGEST = "sha256:" + "a" * 64
EMPTY = lading.Descriptor("application/vnd.oci.empty.v1+json", lading.Digest(DIGEST), 2)
SECRET = "hunter2"  # which no message shows


def image() -> Any:
    return api.Image.scratch("linux/amd64")


def descriptor(**changes: Any) -> Any:
    return api.Descriptor(**{"media_type": "a/b", "digest": DIGEST, "size": 3, **changes})


Row = tuple[Callable[[], object], type[Exception], str]

PATH = type(Path()).__name__  # PosixPath or WindowsPath
REFERENCES: list[Row] = [
    (lambda: api.Reference.parse(Path("app")), TypeError, f"reference must be a string, not {PATH}: write str(path)"),
    (lambda: api.Reference.parse(b"app"), TypeError, "reference must be a string, not bytes: decode it first"),
    (lambda: api.Reference.parse_repository(None), TypeError, "reference must be a string, not None"),
    (lambda: api.Reference("ghcr.io", "acme/app", 1), TypeError, "tag must be a string, not int"),
    (lambda: api.Reference("ghcr.io", None), TypeError, "repository name must be a string, not None"),
    (lambda: api.Reference(443, "acme/app"), TypeError, "registry must be a string, not int"),
    (lambda: api.Reference("ghcr.io", "a", digest=b"x"), TypeError, "digest must be a string, not bytes"),
    (lambda: api.Reference("ghcr.io", "a", scheme=True), TypeError, "scheme must be a string or None, not bool"),
    (lambda: api.Reference.parse("ghcr.io/a").with_tag(None), TypeError, "tag must be a string, not None"),
    (lambda: api.Reference.parse("ghcr.io/a").with_digest(None), TypeError, "digest must be a string, not None"),
    (lambda: api.RegistryName.parse(5000), TypeError, "registry must be a string, not int"),
    (lambda: api.LocalReference("oci", Path("x")), TypeError, f"path must be a string, not {PATH}: write str(path)"),
    (lambda: api.LocalReference("oci", "x", 1), TypeError, "name must be a string or None, not int"),
    (lambda: api.LocalReference.parse(Path("x")), TypeError, f"reference must be a string, not {PATH}"),
    (lambda: api.LocalReference("oci", "a\0b"), InvalidReferenceError, "a path has no NUL"),
    (lambda: api.LocalReference("oci", "a\ud800b"), InvalidReferenceError, "a path has no lone surrogate"),
]

DIGESTS: list[Row] = [
    (lambda: api.Digest(b"sha256:"), TypeError, "digest must be a string, not bytes: decode it first"),
    (lambda: api.Digest(None), TypeError, "digest must be a string, not None"),
    (lambda: api.Digest.of("text"), TypeError, "content must be bytes, not str: encode it first"),
    (lambda: api.Digest.of(5), TypeError, "content must be bytes, not int"),
    (lambda: api.Digest.of(b"x", 256), TypeError, "algorithm must be a string, not int"),
    (lambda: api.Digest.of(b"x", "md5"), InvalidDigestError, "'md5' cannot be computed: use sha256 or sha512"),
    (lambda: descriptor(size="3"), TypeError, "size must be a whole number of bytes from 0 to 9223372036854775807"),
    (lambda: descriptor(size=True), TypeError, "9223372036854775807, not bool"),
    (lambda: descriptor(size=-1), ValueError, "9223372036854775807, not -1"),
    (lambda: descriptor(size=2**63), ValueError, "9223372036854775807, not 9223372036854775808"),
    (lambda: descriptor(digest="latest"), InvalidDigestError, "invalid digest 'latest'"),
    (lambda: descriptor(media_type=None), TypeError, "media_type must be a string, not None"),
    (lambda: descriptor(urls="https://a"), TypeError, "urls must be a list of strings, not the string 'https://a'"),
    (lambda: descriptor(annotations=["a=b"]), TypeError, "annotations must be a mapping of strings to strings"),
    (lambda: descriptor(annotations={"a": 1}), TypeError, "annotations['a'] must be a string, not int"),
    (lambda: descriptor(data="text"), TypeError, "data must be bytes or None, not str: encode it first"),
    (lambda: descriptor(artifact_type=b"a/b"), TypeError, "artifact_type must be a string or None, not bytes"),
    (
        lambda: descriptor(platform="linux/amd64"),
        TypeError,
        "platform must be a lading.Platform or None, not str: write Platform.parse('linux/arm64')",
    ),
    (lambda: api.Descriptor.of("text", "a/b"), TypeError, "content must be bytes, not str: encode it first"),
    (lambda: api.Descriptor.of(b"", "a/b", annotations=[]), TypeError, "annotations must be a mapping of strings"),
    (lambda: api.Descriptor.of(b"", "a/b", annotations={1: "a"}), TypeError, "a key of annotations must be a string"),
    (lambda: api.Descriptor.of(b"", "a/b", embed="no"), TypeError, "embed must be True or False, not str"),
    (lambda: api.Descriptor.parse("{}"), TypeError, "raw must be bytes, not str: encode it first"),
    (lambda: descriptor().verify("abc"), TypeError, "content must be bytes, not str: encode it first"),
]

PLATFORMS: list[Row] = [
    (lambda: api.Platform("linux"), TypeError, "os"),
    (lambda: api.Platform("amd64", None), TypeError, "os must be a string, not None"),
    (lambda: api.Platform("amd64", "windows", os_features="win32k"), TypeError, "write ['win32k']"),
    (lambda: api.Platform("arm", "linux", variant=7), TypeError, "variant must be a string, not int"),
    (lambda: api.Platform.parse(None), TypeError, "platform must be a string, not None"),
    (lambda: api.Platform.local().matches("linux"), TypeError, "wanted must be a lading.Platform, not str"),
    (lambda: api.Image.scratch(("linux", "amd64")), TypeError, "platform must be a lading.Platform or a string"),
]

IMAGES: list[Row] = [
    (
        lambda: image().mutated(entrypoint="/hello"),
        TypeError,
        "entrypoint must be a list of strings, not the string '/hello': write ['/hello']",
    ),
    (lambda: image().mutated(cmd="serve"), TypeError, "cmd must be a list of strings, not the string 'serve'"),
    (lambda: image().mutated(cmd=["a", 1]), TypeError, "cmd[1] must be a string, not int"),
    (lambda: image().mutated(ports="80"), TypeError, "ports must be a list of strings, not the string '80'"),
    (lambda: image().mutated(ports=[80]), TypeError, "ports[0] must be a string, not int"),
    (lambda: image().mutated(volumes="/data"), TypeError, "volumes must be a list of strings, not the string '/data'"),
    (
        lambda: image().mutated(env=["A=b"]),
        TypeError,
        "env must be a mapping of strings to strings or None, not list: write {'NAME': 'value'}",
    ),
    (lambda: image().mutated(env={"A": 1}), TypeError, "env['A'] must be a string or None, not int"),
    (lambda: image().mutated(env=[]), TypeError, "env must be a mapping of strings to strings or None, not list"),
    (lambda: image().mutated(labels="a=b"), TypeError, "labels must be a mapping of strings to strings or None"),
    (lambda: image().mutated(user=1000), TypeError, "user must be a string or None, not int"),
    (lambda: image().mutated(created="2026-01-01"), TypeError, "created must be a datetime or None, not str"),
    (lambda: image().mutated(created=datetime.now(UTC).replace(tzinfo=None)), ValueError, "must have a time zone"),
    (lambda: image().annotated(["a=b"]), TypeError, "annotations must be a mapping of strings to strings or None"),
    (lambda: image().appended("layer.tar"), TypeError, "make one with client.images.pack_layer(path)"),
    (lambda: image().layered([]), TypeError, "a layer must be a lading.PackedLayer, not list"),
    (lambda: image().rebased("base:1", "base:2"), TypeError, "old_base must be a lading.Image, not str"),
    (lambda: image().converted("v2"), ValueError, "form must be 'oci' or 'docker', not 'v2'"),
    (lambda: api.PackedLayer(DIGEST, DIGEST, None), TypeError, "descriptor must be a lading.Descriptor, not str"),
    (lambda: api.NewEntry(5), TypeError, "manifest must be a string or a lading.Reference"),
    (lambda: api.NewEntry("v1", 5), TypeError, "platform must be a string or a lading.Platform or None, not int"),
]

ARTIFACTS: list[Row] = [
    (lambda: api.Artifact.pack(5, []), TypeError, "artifact_type must be a string or None, not int"),
    (lambda: api.Artifact.pack("a/b", None), TypeError, "paths, not None"),
    (lambda: api.Artifact.pack("a/b", b"file"), TypeError, "paths, not bytes"),
    (lambda: api.Artifact.pack("a/b", ["file", 5]), TypeError, "files[1] must be a lading.File or a lading.Blob"),
    (lambda: api.Artifact.pack("a/b", ""), ValueError, "path must not be empty"),
    (lambda: api.Artifact.pack("a/b", "a\0b"), ValueError, "path has a NUL, which no path has"),
    (lambda: api.Artifact.pack("a/b", [], config="c"), TypeError, "config must be a lading.File or a lading.Blob"),
    (lambda: api.Artifact.pack("a/b", [], subject="v1"), TypeError, "use client.attach"),
    (lambda: api.Artifact.pack("a/b", [], annotations=["a=b"]), TypeError, "annotations must be a mapping"),
    (lambda: api.Artifact.pack("a/b", [], annotations=[]), TypeError, "annotations must be a mapping"),
    (lambda: api.Artifact("a/b", "file", {}), TypeError, "files must be a tuple, not str: use Artifact.pack"),
    (lambda: api.Artifact("a/b", ("file",), {}), TypeError, "files[0] must be a lading.File or a lading.Blob, not str"),
    (lambda: api.File(5), TypeError, "path must be a path (a string or a pathlib.Path), not int"),
    (lambda: api.File("f", media_type=5), TypeError, "media_type must be a string or None, not int"),
    (lambda: api.File("f", title=Path("t")), TypeError, f"title must be a string or None, not {PATH}"),
    (lambda: api.File("f", annotations={"a": 1}), TypeError, "annotations['a'] must be a string, not int"),
    (lambda: api.Blob("text"), TypeError, "not str: encode text, and write File(path) for a file"),
    (lambda: api.Blob(Path("f")), TypeError, f"not {PATH}: encode text, and write File(path) for a file"),
    (lambda: api.Blob(5), TypeError, "content must be bytes, a binary file or an iterable of bytes, not int"),
    (lambda: api.Blob(b"", media_type=None), TypeError, "media_type must be a string, not None"),
]

BOUNDS: list[Row] = [
    (lambda: api.Budgets(manifest="8"), TypeError, "manifest must be a whole number of bytes, at least 0, not str"),
    (lambda: api.Budgets(blob=-1), ValueError, "blob must be a whole number of bytes, at least 0, not -1"),
    (lambda: api.Budgets(page=1e6), TypeError, "page must be a whole number of bytes, at least 0, not float"),
    (lambda: api.Budgets(pages=0), ValueError, "pages must be an integer, at least 1, not 0"),
    (lambda: api.Budgets(seconds=0), ValueError, "seconds must be a number of seconds above 0, not 0"),
    (lambda: api.Budgets(seconds=None), TypeError, "seconds must be a number of seconds above 0, not None"),
    (lambda: api.Budgets(min_rate=float("nan")), ValueError, "min_rate must be a number of bytes a second"),
    (lambda: api.Budgets(min_rate=-1), ValueError, "min_rate must be a number of bytes a second, at least 0, not -1"),
    (lambda: api.Budgets(min_rate=None), TypeError, "min_rate must be a number of bytes a second, at least 0"),
    (lambda: api.Budgets(min_rate="10k"), TypeError, "min_rate must be a number of bytes a second, at least 0"),
    (lambda: api.Budgets(rate_window=0), ValueError, "rate_window must be a number of seconds above 0, not 0"),
    (lambda: api.Budgets(rate_window=float("inf")), ValueError, "rate_window must be a number of seconds above 0"),
    (lambda: api.Retries(tries=0), ValueError, "tries must be an integer, at least 1, not 0"),
    (lambda: api.Retries(tries=True), TypeError, "tries must be an integer, at least 1, not bool"),
    (lambda: api.Retries(patience="30"), TypeError, "patience must be a number of seconds, at least 0, not str"),
    (lambda: api.Retries(first_wait=-0.5), ValueError, "first_wait must be a number of seconds, at least 0, not -0.5"),
    (lambda: api.Retries(total=float("inf")), ValueError, "total must be a number of seconds, at least 0, not inf"),
    (lambda: api.Limits(entries="9"), TypeError, "entries must be an integer, at least 0, not str"),
    (lambda: api.Limits(size=-1), ValueError, "size must be a whole number of bytes, at least 0, or None, not -1"),
    (lambda: api.Limits(ratio=0), ValueError, "ratio must be an integer, at least 1, not 0"),
    (lambda: api.Gate(strict="no"), TypeError, "strict must be True or False, not str"),
    (lambda: api.Gate(trusted_realms=[5]), TypeError, "trusted_realms[0] must be a string, not int"),
    (lambda: api.Gate(trusted_realms="https://a.example"), InvalidReferenceError, "invalid trusted realm"),
]

CREDENTIALS: list[Row] = [
    (lambda: api.Credential(5), TypeError, "username must be a string, not int"),
    (
        lambda: api.Credential("ann", SECRET.encode()),
        TypeError,
        "password must be a string, not bytes",
    ),
    (lambda: api.Credential("ann", None), TypeError, "password must be a string, not None"),
    (lambda: api.Credential(registry_token=f"{SECRET}\n"), ValueError, "the registry_token has blanks, line ends"),
    (
        lambda: api.Explicit({"ghcr.io": f"ann:{SECRET}"}),
        TypeError,
        "each value of credentials must be a lading.Credential or a pair of strings, not str",
    ),
    (lambda: api.Explicit({"ghcr.io": ("ann", SECRET, "")}), TypeError, "a pair of strings, not tuple"),
    (lambda: api.Explicit({"ghcr.io": ("ann", 5)}), TypeError, "password must be a string, not int"),
    (lambda: api.Explicit({"ghcr.io": SECRET[:2]}), TypeError, "a pair of strings, not str"),
    (lambda: api.Explicit({5: ("ann", SECRET)}), TypeError, "a key of credentials must be a string, not int"),
    (lambda: api.Explicit([("ghcr.io", "ann", SECRET)]), TypeError, "credentials must be a mapping of strings to"),
    (lambda: api.Explicit({f"ann:{SECRET}@x": ("a", "b")}), InvalidReferenceError, "invalid key of a credential 'x'"),
    (lambda: api.Chain(api.Explicit({})), TypeError, "sources must be a list of objects, not Explicit"),
    (lambda: api.Chain([api.Explicit]), TypeError, "which the class Explicit does not have"),
    (lambda: api.Chain([{"ghcr.io": SECRET}]), TypeError, "sources[0] must have a method find(registry, repository)"),
    (lambda: api.Found("ann", "here"), TypeError, "credential must be a lading.Credential, not str"),
]

DOCUMENTS: list[Row] = [
    (lambda: api.Manifest.parse("{}"), TypeError, "content must be bytes, not str: encode it first"),
    (lambda: api.Manifest.parse(b"{}", 5), TypeError, "media_type must be a string or None, not int"),
    (lambda: api.Manifest.of({"manifests": []}), TypeError, "document must be a lading.Document, not dict: make an"),
    (
        lambda: api.Manifest.of(api.ImageIndex(manifests=())).expect(dict),
        TypeError,
        "such as ImageManifest, not <class",
    ),
    (lambda: api.Manifest.of(api.ImageIndex(manifests=())).expect("index"), TypeError, "give a class such as ImageM"),
    (lambda: api.register("a/b", dict), TypeError, "kind must be a class of documents such as ImageManifest"),
    (lambda: api.register(5, api.ImageIndex), TypeError, "media_type must be a string, not int"),
    (lambda: api.UploadState.parse("{}"), TypeError, "raw must be bytes, not str: encode it first"),
    (lambda: api.Headers("X-A: b"), TypeError, "fields must be a list of pairs of name and value, not str"),
    (lambda: api.Headers({"X-A": "b"}), TypeError, "fields must be a list of pairs of name and value, not dict"),
    (lambda: api.Headers(["ab"]), TypeError, "each header field must be a pair of strings, name and value"),
    (lambda: api.Headers([("X-A", 1)]), TypeError, "each header field must be a pair of strings, name and value"),
    (lambda: api.Origin("https", "a.example", "443"), TypeError, "port must be an integer, not str"),
    (lambda: api.Origin.of("https", None), TypeError, "authority must be a string, not None"),
    (
        lambda: api.TargetReference("oci:x"),
        TypeError,
        "target must be an object with the methods resolve and fetch and",
    ),
    (lambda: api.Manifest.of(api.ImageIndex(manifests="abc")), lading.DocumentError, "manifests"),
    (
        lambda: api.Manifest.of(api.ImageManifest(config=EMPTY, layers=EMPTY)),
        lading.DocumentError,
        "layers",
    ),
]

REGISTRIES_OF_TESTS: list[Row] = [
    (lambda: testing.direct("registry"), TypeError, "root must be a Path, not str: write Path(root)"),
    (
        lambda: testing.direct(Path("r"), testing.Access()),
        TypeError,
        "setup must be a lading.testing.Setup or None, not Access",
    ),
    (lambda: testing.direct(Path("r"), url=5), TypeError, "url must be a string, not int"),
    (lambda: testing.Setup(scheme="digest"), ValueError, "scheme must be 'basic' or 'bearer', not 'digest'"),
    (lambda: testing.TokenRules(methods="GET"), TypeError, "methods must be a list of strings, not the string 'GET'"),
    (lambda: testing.TokenRules(refuses="delete"), TypeError, "refuses must be a list of strings, not the string"),
    (lambda: testing.TokenRules(lifetime="300"), TypeError, "lifetime must be a number of seconds, not str"),
    (lambda: testing.TokenRules(path=None), TypeError, "path must be a string, not None"),
    (lambda: testing.Sites([]), TypeError, "sites must be a mapping of strings to objects, not list"),
    (lambda: testing.Setup(access=[]), TypeError, "access must be a lading.testing.Access or None, not list"),
    (lambda: testing.Access(users=testing.User("a", "b")), TypeError, "put it in a list"),
    (lambda: testing.User("ann", 5), TypeError, "password must be a string, not int"),
    (lambda: testing.Rights(pull=5), TypeError, "pull must be a string or a list of strings, not int"),
    (lambda: testing.ServerLimits(sessions=-1), ValueError, "sessions must be an integer, at least 0, not -1"),
    (lambda: testing.ServerLimits(deletes=0), TypeError, "deletes must be True or False, not int"),
    (lambda: testing.Say("200"), TypeError, "status must be an integer from 200 to 999, not str"),
    (lambda: testing.Say(200, "body"), TypeError, "body must be bytes, not str: encode it first"),
    (lambda: testing.Change(drop="Location"), TypeError, "drop must be a list of strings, not the string 'Location'"),
    (
        lambda: testing.RefusePages(5, 503),
        TypeError,
        "refusal must be a lading.testing.Say or a lading.testing.Refuse, not int",
    ),
    (lambda: testing.EditTarget("/v2/"), TypeError, "edit must be a plain function, not str"),
    (lambda: testing.Drop(-1), ValueError, "wait must be a number of seconds, at least 0, not -1"),
    (lambda: testing.Cut("5"), TypeError, "after must be a whole number of bytes, at least 0, not str"),
]

LAYOUTS: list[Row] = [
    (lambda: layouts.open("layout"), TypeError, "path must be a Path, not str: write Path(path)"),
    (lambda: layouts.create("layout"), TypeError, "path must be a Path, not str: write Path(path)"),
]

ROWS = [
    *REFERENCES,
    *DIGESTS,
    *PLATFORMS,
    *IMAGES,
    *ARTIFACTS,
    *BOUNDS,
    *CREDENTIALS,
    *DOCUMENTS,
    *REGISTRIES_OF_TESTS,
    *LAYOUTS,
]


@pytest.mark.parametrize(("call", "kind", "message"), ROWS, ids=[message for _, _, message in ROWS])
def test_what_cannot_be_meant_is_refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)) as raised:
        call()
    assert type(raised.value) is kind
    said = str(raised.value)
    assert SECRET not in said
    assert len(said.partition("\n")[0]) < 250


def test_an_order_of_a_fault_is_checked(tmp_path: Path) -> None:
    registry, _ = testing.direct(tmp_path)
    for arguments, kind, message in [
        ((503,), TypeError, "fault must be a fault such as Say.text(503, 'busy'), not int"),
        ((testing.Say,), TypeError, "not the class Say"),
        ((testing.Say(503), 5), TypeError, "requests must be a string, not int"),
        ((testing.Say(503), "GET"), ValueError, "write METHOD TARGET"),
    ]:
        with pytest.raises(kind, match=re.escape(message)):
            registry.order(*arguments)
    with pytest.raises(ValueError, match="times must be an integer, at least 1, or None, not -1"):
        registry.order(testing.Say(503), times=-1)


def test_a_layout_takes_a_list_of_tags(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    manifest = lading.Manifest.of(lading.ImageIndex(manifests=()))
    with pytest.raises(TypeError, match=re.escape("tags must be a list of strings, not the string 'v1'")):
        layout.push_manifest(manifest.raw, manifest.descriptor, "v1")
    with pytest.raises(TypeError, match="tag_or_digest must be a string, not None"):
        cast("Any", layout).resolve(None)


def test_one_file_by_itself_is_a_list_of_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    packed = [lading.Artifact.pack("a/b", one) for one in (path, str(path), lading.File(path))]
    assert [artifact.files for artifact in packed] == [
        (lading.File(one, title="file"),) for one in (path, str(path), path)
    ]
    assert lading.Artifact.pack("a/b", lading.Blob(b"x")).files == (lading.Blob(b"x"),)


def test_one_name_by_itself_is_a_list_of_one() -> None:
    assert api.Gate(trusted_realms="Auth.example:443").trusted_realms == frozenset({"auth.example:443"})
    assert testing.Rights(pull="acme/*").pull == ("acme/*",)


def test_lists_are_kept_as_tuples() -> None:
    features = api.Platform("amd64", "windows", os_features=["win32k"])
    assert features == lading.Platform("amd64", "windows", os_features=("win32k",))
    assert hash(features) == hash(lading.Platform("amd64", "windows", os_features=("win32k",)))
    assert descriptor(urls=["https://a.example"]).urls == ("https://a.example",)


def test_binary_files_and_iterables_are_content_of_a_blob() -> None:
    for content in (b"x", io.BytesIO(b"x"), iter([b"x"]), [b"x"]):
        assert lading.Blob(content).content is content


def test_a_decoded_document_is_checked_by_its_type_alone() -> None:
    decoded = lading.Descriptor.parse(EMPTY.encode())
    assert decoded == EMPTY
    with pytest.raises(lading.DocumentError, match="size"):
        lading.Descriptor.parse(EMPTY.encode().replace(b'"size":2', b'"size":-2'))
    with pytest.raises(lading.DocumentError, match="urls"):
        lading.Descriptor.parse(EMPTY.encode().replace(b'"size":2', b'"size":2,"urls":"https://a"'))
