from __future__ import annotations

import copy
import pickle
import traceback

import pytest
from hypothesis import given, strategies as st

from lading.digest import Digest
from lading.errors import InvalidDigestError, InvalidReferenceError, InvalidTagError
from lading.reference import LocalReference, Reference, RegistryName, parse_reference
from lading.target import as_reference
from tests.support.hostile import much

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        pytest.param("alpine", "docker.io/library/alpine:latest", "alpine:latest", id="official"),
        pytest.param("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20", id="official-tag"),
        pytest.param("library/alpine", "docker.io/library/alpine:latest", "alpine:latest", id="library"),
        pytest.param("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest", id="hub-official"),
        pytest.param("index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest", id="index-official"),
        pytest.param("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest", id="index"),
        pytest.param("registry-1.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest", id="registry-1"),
        pytest.param("Docker.IO/a/b", "docker.io/a/b:latest", "a/b:latest", id="hub-upper-case"),
        pytest.param("acme/app", "docker.io/acme/app:latest", "acme/app:latest", id="hub-user"),
        pytest.param("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest", id="nested-in-library"),
        pytest.param(
            "docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest", id="hub-localhost"
        ),
        pytest.param("docker.io/a.b/x", "docker.io/a.b/x:latest", "docker.io/a.b/x:latest", id="hub-dotted-user"),
        pytest.param(
            f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}", f"alpine@{DIGEST}", id="official-digest"
        ),
        pytest.param("localhost", "docker.io/library/localhost:latest", "localhost:latest", id="localhost-alone"),
        pytest.param("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000", id="localhost-port-alone"),
        pytest.param("ghcr.io", "docker.io/library/ghcr.io:latest", "ghcr.io:latest", id="host-alone"),
        pytest.param("localhost/x", "localhost/x:latest", None, id="localhost"),
        pytest.param("localhost:5000/x", "localhost:5000/x:latest", None, id="localhost-port"),
        pytest.param("Localhost:5000/x", "localhost:5000/x:latest", None, id="host-upper-case"),
        pytest.param("localhosts/x", "docker.io/localhosts/x:latest", "localhosts/x:latest", id="not-localhost"),
        pytest.param("registry:5000/x", "registry:5000/x:latest", None, id="port-makes-a-host"),
        pytest.param("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c", None, id="ipv4"),
        pytest.param("[::1]:5000/x", "[::1]:5000/x:latest", None, id="ipv6-port"),
        pytest.param("[2001:DB8::1]/x:y", "[2001:db8::1]/x:y", None, id="ipv6"),
        pytest.param("ghcr.io/acme/app:V1_x", "ghcr.io/acme/app:V1_x", None, id="tag"),
        pytest.param(f"ghcr.io/acme/app@{SHA512}", f"ghcr.io/acme/app@{SHA512}", None, id="sha512"),
        pytest.param(f"ghcr.io/acme/app:v1@{DIGEST}", f"ghcr.io/acme/app:v1@{DIGEST}", None, id="tag-and-digest"),
        pytest.param("a.b/c@other+x:QmR=_-", "a.b/c@other+x:QmR=_-", None, id="unregistered-digest"),
        pytest.param("docker://alpine", "docker.io/library/alpine:latest", "alpine:latest", id="docker-scheme"),
        pytest.param("docker://oci:1", "docker.io/library/oci:1", "oci:1", id="docker-scheme-oci"),
        pytest.param("http://localhost:5000/x", "http://localhost:5000/x:latest", None, id="http"),
        pytest.param(f"https://host/x:tag@{DIGEST}", f"https://host/x:tag@{DIGEST}", None, id="https-plain-host"),
        pytest.param("https://docker.io/alpine", "https://docker.io/library/alpine:latest", None, id="https-hub"),
        pytest.param("https://acme/app", "https://acme/app:latest", None, id="https-first-part-is-a-host"),
    ],
)
def test_reference_is_read_as_docker_does(text: str, full: str, familiar: str | None) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.familiar == (familiar or full)
    assert Reference.parse(full) == reference
    assert Reference.parse(reference.familiar) == reference
    assert parse_reference(text) == reference


def test_reference_parts() -> None:
    reference = Reference.parse(f"https://GHCR.io:444/acme/app:v1@{DIGEST}")
    assert reference == Reference("ghcr.io:444", "acme/app", "v1", Digest(DIGEST), "https")
    assert type(reference.digest) is Digest
    assert Reference.parse("alpine") == Reference("docker.io", "library/alpine", "latest")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a.b/c", "latest", id="default"),
        pytest.param("a.b/c:d", "d", id="tag"),
        pytest.param(f"a.b/c@{DIGEST}", DIGEST, id="digest"),
        pytest.param(f"a.b/c:d@{DIGEST}", DIGEST, id="both"),
    ],
)
def test_tag_or_digest_is_the_digest_if_there_is_one(text: str, expected: str) -> None:
    assert Reference.parse(text).tag_or_digest == expected


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        pytest.param("", 0, "name is missing", id="empty"),
        pytest.param(" alpine", 0, "' ' cannot", id="space-first"),
        pytest.param("alpine ", 6, "' ' cannot", id="space-last"),
        pytest.param("alpine\n", 6, r"'\\n' cannot", id="newline"),
        pytest.param("alpine\0", 6, r"'\\x00' cannot", id="nul"),
        pytest.param("ghcr.io/Acme/app", 8, "lower case, not 'A'", id="upper-case"),
        pytest.param("Acme/app", 0, "lower case, not 'A'", id="upper-case-user"),
        pytest.param("LOCALHOST/app", 0, "lower case, not 'L'", id="upper-case-localhost"),
        pytest.param("ghcr.io/acme//app", 13, "before '/'", id="empty-part"),
        pytest.param("ghcr.io//app", 8, "before '/'", id="empty-first-part"),
        pytest.param("ghcr.io/", 8, "name is missing", id="no-name"),
        pytest.param("ghcr.io/acme/", 13, "ends with", id="slash-last"),
        pytest.param("alpine/", 7, "ends with", id="short-slash-last"),
        pytest.param("/alpine", 0, "did you mean oci:", id="slash-first"),
        pytest.param("../x", 0, "did you mean oci:", id="parent-first"),
        pytest.param("ghcr.io/../x", 8, "before '.'", id="parent"),
        pytest.param("ghcr.io/a/%2e%2e/x", 10, "'%' cannot", id="percent"),
        pytest.param("ghcr.io/a?x=1", 9, r"'\?' cannot", id="query"),
        pytest.param("ghcr.io/a#x", 9, "'#' cannot", id="fragment"),
        pytest.param("ghcr.io\\a", 7, "cannot stand", id="backslash"),
        pytest.param("b\u00fccher.example/a", 1, "cannot stand here in a host name", id="idn"),
        pytest.param("ghcr.io/\u0430cme", 8, "cannot stand", id="cyrillic"),
        pytest.param("\u212bpine", 0, "cannot stand", id="angstrom"),
        pytest.param("ghcr.io./a", 7, "cannot stand here", id="trailing-dot"),
        pytest.param("my_host:5000/a", 2, "cannot stand here", id="underscore-in-host"),
        pytest.param("host:/a", 5, "a port is", id="empty-port"),
        pytest.param("host:99999/a", 5, "a port is", id="port-too-large"),
        pytest.param("foo:bar/baz", 4, "a port is", id="tag-before-slash"),
        pytest.param("[::1]", 0, "cannot stand", id="ipv6-alone"),
        pytest.param("[::1/x", 0, "cannot start", id="ipv6-open"),
        pytest.param("::1:5000/x", 0, "cannot start", id="ipv6-without-brackets"),
        pytest.param("[::zz]/x", 0, "cannot start", id="ipv6-letters"),
        pytest.param("[1:2]/x", 1, "no IPv6 address", id="ipv6-short"),
        pytest.param("[fe80::1%eth0]/x", 0, "cannot start", id="ipv6-zone"),
        pytest.param("ghcr.io/a:", 10, "tag is missing", id="empty-tag"),
        pytest.param("ghcr.io/a:.x", 10, "a tag starts", id="tag-dot"),
        pytest.param("ghcr.io/a:b:c", 11, "':' cannot stand in a tag", id="two-tags"),
        pytest.param("ghcr.io/a:b\r\nHost: x", 11, r"'\\r' cannot stand in a tag", id="header-injection"),
        pytest.param("ghcr.io/a:" + "x" * 129, 138, "128 characters at most", id="tag-too-long"),
        pytest.param("ghcr.io/a@", 10, "invalid digest ''", id="empty-digest"),
        pytest.param("ghcr.io/a@latest", 16, "invalid digest 'latest'", id="tag-as-digest"),
        pytest.param("ghcr.io:443/a:b@latest", 22, "invalid digest 'latest'", id="tag-as-digest-with-port"),
        pytest.param("[::1]:443/a@latest", 18, "invalid digest 'latest'", id="tag-as-digest-with-ipv6"),
        pytest.param("ghcr.io/a@sha256:abc", 20, "needs 64", id="short-digest"),
        pytest.param(f"ghcr.io/a@{DIGEST}\n", 81, "not ALGORITHM", id="digest-newline"),
        pytest.param(f"ghcr.io/a@{DIGEST}:b", 81, "not ALGORITHM", id="tag-after-digest"),
        pytest.param(f"ghcr.io/a@{DIGEST.upper()}", 10, "not ALGORITHM", id="upper-case-digest"),
        pytest.param("https://", 8, "host name is missing", id="scheme-alone"),
        pytest.param("https:///a", 8, "host name is missing", id="scheme-no-host"),
        pytest.param("https://ghcr.io", 15, "name is missing", id="scheme-no-name"),
        pytest.param("https://ghcr.io/a/", 18, "ends with", id="scheme-slash-last"),
        pytest.param("ftp://ghcr.io/a", 0, "the scheme must be docker:// or", id="unknown-scheme"),
        pytest.param("HTTPS://ghcr.io/a", 0, "the scheme must be", id="upper-case-scheme"),
        pytest.param("docker://https://a.b/c", 15, "a port is", id="two-schemes"),
        pytest.param("a.b/" + "x/" * 126, 256, "ends with", id="long-and-wrong"),
    ],
)
def test_text_outside_the_grammar_is_refused_where_it_goes_wrong(text: str, position: int, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=why) as caught:
        Reference.parse(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


def test_error_says_where_and_what_to_do() -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse("ghcr.io/Acme/app")
    expected = "invalid reference 'ghcr.io/Acme/app' at character 9: a repository name is in lower case, not 'A'"
    assert str(caught.value) == expected
    assert caught.value.__notes__ == ["  ghcr.io/Acme/app\n          ^"]


@pytest.mark.parametrize(
    "text",
    [f"a.b/{'x' * 251}", f"a.b/{'x' * 251}:{'t' * 128}@{DIGEST}", "x" * 237],
    ids=["alone", "tag-and-digest", "docker-hub"],
)
def test_registry_and_name_may_have_255_characters(text: str) -> None:
    reference = Reference.parse(text)
    assert len(f"{reference.registry}/{reference.repository}") == 255


@pytest.mark.parametrize("text", [f"a.b/{'x' * 252}", "x" * 238, "x" * 256], ids=["host", "docker-hub", "name"])
def test_registry_and_name_longer_than_255_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="255 characters at most") as caught:
        Reference.parse(text)
    assert caught.value.position == 255


SECRET = "h0rse"


@pytest.mark.parametrize("read", [parse_reference, Reference.parse, Reference.parse_repository, RegistryName.parse])
@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{SECRET}@ghcr.io/acme/app",
        f"https://user:{SECRET}@ghcr.io:5000/acme/app:v1",
        f"https://user:{SECRET}@ghcr.io/acme/app@{DIGEST}x/",
        f"https://{SECRET}@ghcr.io/acme/app",
        f"https://{SECRET}@ghcr.io",
        f"https://user:{SECRET}@ghcr.io",
        f"https://user:{SECRET}@ghcr.io:5000",
        f"https://user:a/{SECRET}@ghcr.io",
        f"https://user:a@{SECRET}@ghcr.io/x",
        f"https://user:a/{SECRET}@ghcr.io/x",
        f"https://user:a?{SECRET}#@ghcr.io/x",
        f"https://user:a\n{SECRET}@ghcr.io/x",
        f"https://:{SECRET}@ghcr.io/x",
        f"docker://user:{SECRET}@ghcr.io/x",
        f"ftp://user:{SECRET}@ghcr.io/x",
        f"user:{SECRET}@ghcr.io/acme/app",
        f"user:{SECRET}@ghcr.io",
        f"user:a/{SECRET}@ghcr.io",
        f"{SECRET}@ghcr.io/acme/app",
    ],
)
def test_user_names_and_passwords_are_refused_and_not_shown(read: type, text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="has no user name or password") as caught:
        read(text)
    error = caught.value
    assert SECRET not in "".join(traceback.format_exception_only(error)) + repr(error) + error.text
    assert error.text.count("***") == 1
    assert error.position == error.text.index("***")


def test_password_in_the_registry_of_a_made_reference_is_not_shown() -> None:
    with pytest.raises(InvalidReferenceError, match="has no user name or password") as caught:
        Reference(f"user:{SECRET}@ghcr.io", "x")
    assert SECRET not in caught.value.text + str(caught.value)


def test_digest_that_is_no_userinfo_is_shown() -> None:
    with pytest.raises(InvalidReferenceError, match="'alpine:3@sha256:abc'"):
        Reference.parse("alpine:3@sha256:abc")


@pytest.mark.parametrize("text", ["acme/app", "https://ghcr.io/acme/app", "localhost:5000/x", "[::1]/x", "alpine"])
def test_repository_has_neither_tag_nor_digest(text: str) -> None:
    repository = Reference.parse_repository(text)
    assert (repository.tag, repository.digest, repository.tag_or_digest) == (None, None, None)
    assert repository.with_tag("latest") == Reference.parse(text)
    assert Reference.parse_repository(str(repository)) == repository
    assert Reference.parse_repository(repository.familiar) == repository


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("alpine:3", 6, id="tag"),
        pytest.param("localhost:5000", 9, id="host-alone-reads-as-tag"),
        pytest.param("localhost:5000/x:latest", 16, id="tag-after-port"),
        pytest.param(f"ghcr.io/a@{DIGEST}", 9, id="digest"),
        pytest.param(f"ghcr.io/a:b@{DIGEST}", 9, id="tag-and-digest"),
    ],
)
def test_repository_with_tag_or_digest_is_refused(text: str, position: int) -> None:
    with pytest.raises(InvalidReferenceError, match="leave out the tag or digest") as caught:
        Reference.parse_repository(text)
    assert (caught.value.text, caught.value.position) == (text, position)


def test_made_reference_is_canonical() -> None:
    assert Reference("INDEX.docker.io", "alpine", "3") == Reference.parse("alpine:3")
    assert Reference("docker.io", "alpine").repository == "library/alpine"
    assert Reference("myhost", "x", scheme="http") == Reference.parse_repository("http://myhost/x")


def test_made_reference_is_checked() -> None:
    with pytest.raises(InvalidReferenceError, match="'Acme'"):
        Reference("ghcr.io", "Acme")
    with pytest.raises(InvalidReferenceError, match=r"invalid registry 'ghcr\.io/x'"):
        Reference("ghcr.io/x", "acme")
    with pytest.raises(InvalidReferenceError, match="needs a dot, a port or a scheme"):
        Reference("myhost", "x")
    with pytest.raises(InvalidReferenceError, match="invalid scheme 'ftp'"):
        Reference("ghcr.io", "x", scheme="ftp")
    with pytest.raises(InvalidTagError):
        Reference("ghcr.io", "x", "a b")
    with pytest.raises(InvalidTagError):
        Reference("ghcr.io", "x").with_tag("a/b")
    with pytest.raises(InvalidDigestError):
        Reference("ghcr.io", "x", digest="sha256:abc")  # type: ignore[arg-type]  # what untyped callers do


def test_with_tag_and_with_digest_name_one_thing() -> None:
    reference = Reference.parse(f"ghcr.io/a:b@{DIGEST}")
    assert str(reference.with_tag("c")) == "ghcr.io/a:c"
    assert str(reference.with_digest(Digest(SHA512))) == f"ghcr.io/a@{SHA512}"


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        pytest.param("alpine", "registry-1.docker.io", id="docker-hub"),
        pytest.param("docker.io:444/a", "docker.io:444", id="another-port-of-docker-hub"),
        pytest.param("docker.io.example/a", "docker.io.example", id="prefix-of-docker-hub"),
        pytest.param("evil-docker.io/a", "evil-docker.io", id="suffix-of-docker-hub"),
        pytest.param("ghcr.io:443/a", "ghcr.io:443", id="port-is-kept"),
        pytest.param("[::1]:5000/a", "[::1]:5000", id="ipv6"),
    ],
)
def test_authority_is_where_to_connect(text: str, authority: str) -> None:
    reference = Reference.parse(text)
    assert reference.authority == authority
    assert RegistryName(reference.registry).authority == authority


@pytest.mark.parametrize(
    ("text", "name", "scheme"),
    [
        pytest.param("ghcr.io", "ghcr.io", None, id="host"),
        pytest.param("GHCR.io:443/", "ghcr.io:443", None, id="port-and-slash"),
        pytest.param("registry", "registry", None, id="plain-host"),
        pytest.param("http://localhost:5000", "localhost:5000", "http", id="http"),
        pytest.param("https://[::1]:5000/", "[::1]:5000", "https", id="https-ipv6"),
        pytest.param("https://index.docker.io/", "docker.io", "https", id="docker-hub"),
        pytest.param("registry-1.docker.io", "docker.io", None, id="registry-1"),
    ],
)
def test_registry_name_is_read(text: str, name: str, scheme: str | None) -> None:
    registry = RegistryName.parse(text)
    assert registry == RegistryName(name, scheme)
    assert (registry.name, registry.scheme) == (name, scheme)
    assert RegistryName.parse(str(registry)) == registry


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param("/", 0, id="slash"),
        pytest.param("ghcr.io//", 7, id="two-slashes"),
        pytest.param("ghcr.io/acme", 7, id="repository"),
        pytest.param("https://", 8, id="scheme-alone"),
        pytest.param("docker://ghcr.io", 0, id="docker-scheme"),
        pytest.param("https://ghcr.io?x", 15, id="query"),
        pytest.param("ghcr.io\n", 7, id="newline"),
        pytest.param("http://ghcr.io:0", 15, id="port"),
    ],
)
def test_text_that_is_no_registry_is_refused(text: str, position: int) -> None:
    with pytest.raises(InvalidReferenceError, match="invalid registry ") as caught:
        RegistryName.parse(text)
    assert (caught.value.text, caught.value.position) == (text, position)


def test_reference_is_a_value() -> None:
    texts = ["alpine", "docker.io/alpine:latest", "index.docker.io/library/alpine"]
    assert len({Reference.parse(text) for text in texts}) == 1
    different = ["x", "x:1", f"x@{DIGEST}", "a.b/x", "http://a.b/x", "https://a.b/x", "a.b:443/x"]
    assert len({Reference.parse(text) for text in different}) == len(different)
    with pytest.raises(AttributeError):
        Reference.parse("alpine").tag = "3"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    "value",
    [
        Reference.parse(f"https://ghcr.io/acme/app:v1@{DIGEST}"),
        Reference.parse_repository("alpine"),
        RegistryName.parse("http://localhost:5000"),
        LocalReference.parse(f"oci:dir@{DIGEST}"),
    ],
    ids=str,
)
def test_references_are_pickled(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301  # our own bytes
    assert copy.deepcopy(value) == value


def test_errors_are_pickled_with_their_notes() -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse("ghcr.io/Acme")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert (str(again), again.text, again.position, again.__notes__) == (
        str(caught.value),
        "ghcr.io/Acme",
        8,
        caught.value.__notes__,
    )


@pytest.mark.parametrize(
    "unit", ["a", "a/", "a.", "a:", "a@", "@", "/", ":", "[", "-", "_", "http://", "sha256:", "\n", "A", "é", "\0"]
)
@pytest.mark.parametrize("prefix", ["", "https://", "a.b/c:", "a.b/c@sha256:", "oci:"])
def test_parsing_garbage_takes_linear_time(prefix: str, unit: str) -> None:
    with pytest.raises(InvalidReferenceError):
        Reference.parse(f"{prefix}{much(unit)}!")


components = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-+)[a-z0-9]{1,5}){0,2}", fullmatch=True)
repositories = st.lists(components, min_size=1, max_size=4).map("/".join)
registries = st.one_of(
    st.sampled_from(["docker.io", "index.docker.io", "localhost", "LOCALHOST:80", "[::1]:5000", "127.0.0.1"]),
    st.from_regex(r"[a-zA-Z0-9]{1,9}(-[a-z0-9]{1,3})?\.[a-z]{1,5}(:[1-9][0-9]{0,3})?", fullmatch=True),
)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)
digests = st.one_of(st.binary().map(Digest.of), st.just(Digest(SHA512)), st.just(Digest("other:x")))
references = st.builds(
    Reference, registries, repositories, st.none() | tags, st.none() | digests, st.sampled_from([None, "http", "https"])
)


@given(references)
def test_every_reference_is_read_back_from_its_text(reference: Reference) -> None:
    read = Reference.parse_repository if reference.tag_or_digest is None else Reference.parse
    assert read(str(reference)) == reference
    assert read(reference.familiar) == reference


@given(st.text(alphabet="aA0.:/@[]-_%\n", max_size=30))
def test_any_text_is_a_reference_or_points_to_a_fault(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError as error:
        shown, position = error.text, error.position
    else:
        assert Reference.parse(str(reference)) == reference
        return
    assert position in range(len(shown) + 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("dir:/x", "use oci:/x"),
        ("ocidir://x", "use oci:x"),
        ("containers-storage:foo", "use podman save, and docker-archive:FILE"),
        ("docker-daemon:foo:v1", "use docker save, and docker-archive:FILE"),
        ("/tmp/x", "did you mean oci:/tmp/x"),
        ("./foo", "did you mean oci:./foo"),
        ("..", "did you mean oci:.."),
        ("~/foo", "did you mean oci:~/foo"),
        ("C:\\x", r"did you mean oci:C:\\x"),
        ("foo.tar", "did you mean oci-archive:foo.tar or docker-archive:foo.tar"),
        ("out/foo.tar.gz:v1", "did you mean oci-archive:out/foo.tar.gz:v1"),
        ("oci://ghcr.io/acme/app:v1", "leave out oci:// before a registry"),
        ("OCI://ghcr.io/acme/app:v1", "the scheme must be"),
    ],
)
def test_places_that_are_spelled_for_another_program_are_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=why):
        parse_reference(text)


def test_a_name_of_docker_hub_that_reads_as_another_place_stays_whole() -> None:
    for text in ("docker.io/library/dir:x", "docker.io/library/app.tar:1", "docker.io/acme/app.tgz:1"):
        assert Reference.parse(text).familiar == text


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
@pytest.mark.parametrize(
    "digest", ["md5:" + "0" * 32, "SHA256:" + "0" * 64, "sha1:abcdef", "sha3-256:00", "blake2b:v1"]
)
def test_a_digest_of_any_hash_is_not_the_tag_of_a_directory_named_after_it(transport: str, digest: str) -> None:
    with pytest.raises((InvalidDigestError, InvalidReferenceError), match="digest"):
        as_reference(f"{transport}:layout@{digest}")
    with pytest.raises(InvalidReferenceError, match="this reads as the start of a digest"):
        LocalReference(transport, f"layout@{digest.partition(':')[0]}", "v1")


@pytest.mark.parametrize("text", ["oci:lib@1.0:v1", "oci:sha@main:v1", "oci:a@shape:v1", "oci:a@md:v1", "oci:md5@a:v1"])
def test_a_directory_whose_name_has_an_at_sign_keeps_it(text: str) -> None:
    reference = LocalReference.parse(text)
    assert (reference.path, reference.name) == (text[4:-3], "v1")


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
def test_a_registry_behind_the_scheme_of_a_layout_is_refused_with_what_to_leave_out(transport: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"leave out {transport}:// before a registry"):
        RegistryName.parse(f"{transport}://ghcr.io")
    with pytest.raises(InvalidReferenceError, match=f"leave out {transport}:// before a registry"):
        Reference.parse(f"{transport}://ghcr.io/acme/app:v1")


@pytest.mark.parametrize("text", ["dirs:1", "ghcr.io/acme/app.tar:1", "docker.io/library/dir:x", "oci:///x", "oci:/x"])
def test_what_only_looks_so_is_a_reference(text: str) -> None:
    parse_reference(text)
