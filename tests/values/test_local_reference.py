from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lading.digest import Digest
from lading.errors import InvalidDigestError, InvalidReferenceError
from lading.reference import LOCAL_TRANSPORTS, LocalReference, parse_reference

DIGEST = Digest("sha256:" + "0123456789abcdef" * 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("oci:dir", LocalReference("oci", "dir"), id="oci"),
        pytest.param("oci:.", LocalReference("oci", "."), id="oci-here"),
        pytest.param("oci:/a/b c/é", LocalReference("oci", "/a/b c/é"), id="oci-any-path"),
        pytest.param("oci:backup:v1.2", LocalReference("oci", "backup", "v1.2"), id="oci-tag"),
        pytest.param("oci:dir:_._-", LocalReference("oci", "dir", "_._-"), id="oci-any-tag"),
        pytest.param("oci:dir:a/b:c@d", LocalReference("oci", "dir", "a/b:c@d"), id="oci-ref-name"),
        pytest.param(f"oci:dir@{DIGEST}", LocalReference("oci", "dir", digest=DIGEST), id="oci-digest"),
        pytest.param(f"oci:a@b@{DIGEST}", LocalReference("oci", "a@b", digest=DIGEST), id="oci-at-in-path-digest"),
        pytest.param("oci:app@v1:latest", LocalReference("oci", "app@v1", "latest"), id="oci-at-in-path-tag"),
        pytest.param("oci:C:\\images", LocalReference("oci", "C:\\images"), id="oci-drive"),
        pytest.param("oci:c:/images:v1", LocalReference("oci", "c:/images", "v1"), id="oci-drive-tag"),
        pytest.param("oci:c:images", LocalReference("oci", "c", "images"), id="oci-one-letter-directory"),
        pytest.param("oci-archive:x.tar", LocalReference("oci-archive", "x.tar"), id="oci-archive"),
        pytest.param("oci-archive:x.tar:1", LocalReference("oci-archive", "x.tar", "1"), id="oci-archive-tag"),
        pytest.param("docker-archive:x.tar", LocalReference("docker-archive", "x.tar"), id="docker-archive"),
        pytest.param(
            "docker-archive:x.tar:alpine",
            LocalReference("docker-archive", "x.tar", "docker.io/library/alpine:latest"),
            id="docker-archive-short-name",
        ),
        pytest.param(
            "docker-archive:x.tar:localhost:5000/a:b",
            LocalReference("docker-archive", "x.tar", "localhost:5000/a:b"),
            id="docker-archive-full-name",
        ),
        pytest.param("docker-archive:x.tar:@0", LocalReference("docker-archive", "x.tar", "@0"), id="position"),
        pytest.param("oci:dir:@12", LocalReference("oci", "dir", "@12"), id="oci-position"),
    ],
)
def test_local_reference_is_read_as_skopeo_does(text: str, expected: LocalReference) -> None:
    assert LocalReference.parse(text) == expected
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("oci", "starts with one of oci:, oci-archive:, docker-archive:", id="no-colon"),
        pytest.param("dir:/x", "starts with one of", id="unknown-transport"),
        pytest.param("OCI:/x", "starts with one of", id="upper-case-transport"),
        pytest.param("oci:", "a path is missing", id="no-path"),
        pytest.param("oci::v1", "a path is missing", id="no-path-but-tag"),
        pytest.param(f"oci:@{DIGEST}", "a path is missing", id="no-path-but-digest"),
        pytest.param("oci:a\0b", "no NUL", id="nul"),
        pytest.param("oci:dir:", "neither a tag nor", id="empty-tag"),
        pytest.param("oci:dir:a b", "neither a tag nor", id="space-in-tag"),
        pytest.param("oci:dir:v1\n", "neither a tag nor", id="newline-after-tag"),
        pytest.param("oci:dir:/a", "neither a tag nor", id="slash-first"),
        pytest.param("oci:dir:a//b", "neither a tag nor", id="empty-part"),
        pytest.param("oci:dir:@x", "neither a tag nor", id="no-position"),
        pytest.param("oci:dir:@01", "neither a tag nor", id="position-with-zeros"),
        pytest.param(f"oci:dir:v1@{DIGEST}", "not both", id="tag-and-digest"),
        pytest.param("oci:dir@sha256:abc", "needs 64", id="short-digest"),
        pytest.param(f"oci:dir@{DIGEST}:v1", "not ALGORITHM", id="tag-after-digest"),
        pytest.param(f"oci-archive:x.tar@{DIGEST}", "only oci: takes a digest", id="oci-archive-digest"),
        pytest.param(f"docker-archive:x.tar@{DIGEST}", "only oci: takes a digest", id="docker-archive-digest"),
        pytest.param(f"docker-archive:x.tar:a@{DIGEST}", "only oci: takes a digest", id="docker-archive-name-digest"),
        pytest.param("docker-archive:x.tar:a@other:x", r"\[registry/\]name", id="docker-archive-name-other-digest"),
        pytest.param("docker-archive:x.tar:https://a.b/c", r"\[registry/\]name", id="docker-archive-scheme"),
        pytest.param("docker-archive:x.tar:Alpine", "lower case, not 'A'", id="docker-archive-upper-case"),
        pytest.param("docker-archive:x.tar:@-1", "name is missing", id="docker-archive-no-position"),
    ],
)
def test_text_that_is_no_local_reference_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=why) as caught:
        LocalReference.parse(text)
    assert "\n" not in str(caught.value)
    assert caught.value.position is not None
    assert caught.value.text in text


def test_password_in_the_name_of_an_archived_image_is_not_shown() -> None:
    with pytest.raises(InvalidReferenceError, match="has no user name or password") as caught:
        parse_reference("docker-archive:x.tar:https://user:h0rse@ghcr.io/x")
    assert "h0rse" not in caught.value.text + str(caught.value) + "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("transport", "path", "name"),
    [
        pytest.param("dir", "x", None, id="transport"),
        pytest.param("oci", "", None, id="no-path"),
        pytest.param("oci", "a:b", None, id="colon-in-path"),
        pytest.param("oci", "C:\\a:b", None, id="colon-after-drive"),
        pytest.param("oci", "a@sha256", "v1", id="path-that-reads-as-digest"),
        pytest.param("oci", "a", "b@sha256:c", id="name-that-reads-as-digest"),
    ],
)
def test_local_reference_that_cannot_be_written_is_refused(transport: str, path: str, name: str | None) -> None:
    with pytest.raises(InvalidReferenceError):
        LocalReference(transport, path, name)


def test_made_local_reference_is_checked_for_its_digest() -> None:
    with pytest.raises(InvalidReferenceError, match="not both"):
        LocalReference("oci", "a", "b", DIGEST)
    with pytest.raises(InvalidReferenceError, match="only oci:"):
        LocalReference("oci-archive", "a", None, DIGEST)
    with pytest.raises(InvalidDigestError):
        LocalReference("oci", "a", None, "sha256:abc")  # type: ignore[arg-type]  # what untyped callers do


def test_local_reference_is_a_value() -> None:
    assert len({LocalReference.parse("oci:a:b"), LocalReference("oci", "a", "b"), LocalReference("oci", "a")}) == 2


@given(
    st.sampled_from(LOCAL_TRANSPORTS),
    st.text(alphabet="aZ0./@:\\sh256 é\n", min_size=1, max_size=20),
    st.none() | st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,9}", fullmatch=True),
)
def test_every_local_reference_is_read_back_from_its_text(transport: str, path: str, name: str | None) -> None:
    try:
        reference = LocalReference(transport, path, name)
    except InvalidReferenceError:
        return
    assert parse_reference(str(reference)) == reference
