"""Is this 206 the part that was asked for? One table (RFC 9110, sections 13.1.5, 14.4 and 15.3.7)."""

from __future__ import annotations

import pytest

from lading._wire import requests
from lading._wire.blob_parts import BlobPart, blob_part
from lading._wire.messages import Origin
from lading.digest import Digest
from lading.errors import ProtocolError
from lading.headers import Headers

ORIGIN = Origin("http", "localhost", 5000)
DIGEST = Digest.of(b"x")


def answered(
    *fields: tuple[str, str],
    offset: int = 0,
    length: int | None = None,
    size: int | None = None,
    tag: str | None = None,
    status: int = 206,
) -> BlobPart | None:
    """Judge an answer with these fields to a request for a part."""
    request = requests.pull_blob(ORIGIN, "acme/app", DIGEST, offset=offset, length=length, if_range=tag)
    return blob_part(request, status, Headers(fields), size=size)


def content(text: str) -> tuple[str, str]:
    return "Content-Range", text


@pytest.mark.parametrize(
    ("fields", "asked", "part"),
    [
        ([content("bytes 5-99/100")], {"offset": 5}, BlobPart(5, 100, 100, None)),
        ([content("bytes 5-99/100")], {"offset": 5, "size": 100}, BlobPart(5, 100, 100, None)),
        ([content("bytes 5-99/*")], {"offset": 5, "size": 100}, BlobPart(5, 100, 100, None)),
        ([content("bytes 5-99/*")], {"offset": 5}, BlobPart(5, 100, None, None)),
        # The end was left open: a server may give less at once.
        ([content("bytes 5-49/100")], {"offset": 5}, BlobPart(5, 50, 100, None)),
        ([content("bytes 5-14/100")], {"offset": 5, "length": 10}, BlobPart(5, 15, 100, None)),
        # The blob ends before the part that was asked for does.
        ([content("bytes 95-99/100")], {"offset": 95, "length": 10}, BlobPart(95, 100, 100, None)),
        ([content("bytes 0-9/10")], {"length": 20}, BlobPart(0, 10, 10, None)),
        (
            [content("BYTES 5-14/100"), ("Content-Length", "10")],
            {"offset": 5, "length": 10},
            BlobPart(5, 15, 100, None),
        ),
        # A length that is none says nothing.
        (
            [content("bytes 5-14/100"), ("Content-Length", "ten")],
            {"offset": 5, "length": 10},
            BlobPart(5, 15, 100, None),
        ),
        ([content("bytes 5-99/100"), ("ETag", '"a"')], {"offset": 5}, BlobPart(5, 100, 100, '"a"')),
        ([content("bytes 5-99/100"), ("ETag", '"a"')], {"offset": 5, "tag": '"a"'}, BlobPart(5, 100, 100, '"a"')),
        ([content("bytes 5-99/100")], {"offset": 5, "tag": '"a"'}, BlobPart(5, 100, 100, None)),
        ([content("bytes 5-99/100"), ("ETag", 'W/"a"')], {"offset": 5, "tag": '"a"'}, BlobPart(5, 100, 100, None)),
    ],
)
def test_the_part_that_was_asked_for(fields: list[tuple[str, str]], asked: dict[str, object], part: BlobPart) -> None:
    assert answered(*fields, **asked) == part  # type: ignore[arg-type]  # a table of keywords


@pytest.mark.parametrize(
    ("fields", "asked", "why"),
    [
        ([], {"offset": 5}, "invalid Content-Range"),
        ([("Content-Type", "multipart/byteranges; boundary=x")], {"offset": 5}, "invalid Content-Range"),
        ([content("5-99/100")], {"offset": 5}, "invalid Content-Range"),
        ([content("bytes */100")], {"offset": 5}, "invalid Content-Range"),
        ([content("bytes 99-5/100")], {"offset": 5}, "invalid Content-Range"),
        ([content("bytes 5-100/100")], {"offset": 5}, "invalid Content-Range"),
        ([content("items 5-99/100")], {"offset": 5}, "invalid Content-Range"),
        ([content("bytes 0-99/100")], {"offset": 5}, "unexpected Content-Range"),
        ([content("bytes 6-99/100")], {"offset": 5}, "unexpected Content-Range"),
        ([content("bytes 5-13/100")], {"offset": 5, "length": 10}, "unexpected Content-Range"),
        ([content("bytes 5-15/100")], {"offset": 5, "length": 10}, "unexpected Content-Range"),
        ([content("bytes 5-13/*")], {"offset": 5, "length": 10, "size": 100}, "unexpected Content-Range"),
        ([content("bytes 5-99/100")], {"offset": 5, "size": 101}, "the blob has 100 bytes, expected 101"),
        ([content("bytes 5-14/100"), ("Content-Length", "95")], {"offset": 5, "length": 10}, "contradicts"),
        ([content("bytes 5-99/100"), ("ETag", '"b"')], {"offset": 5, "tag": '"a"'}, "its ETag differs"),
    ],
)
def test_any_other_part_is_refused(fields: list[tuple[str, str]], asked: dict[str, object], why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        answered(*fields, **asked)  # type: ignore[arg-type]  # a table of keywords


def test_a_part_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(ProtocolError, match="invalid Content-Range"):
        answered(content("bytes 0-99/100"))


def test_any_other_status_brings_the_whole() -> None:
    assert answered(content("bytes 5-99/100"), offset=5, status=200) is None


@pytest.mark.parametrize(("end", "size", "last"), [(100, 100, True), (50, 100, False), (50, None, True)])
def test_the_last_part_ends_the_blob_as_far_as_is_known(*, end: int, size: int | None, last: bool) -> None:
    assert BlobPart(0, end, size, None).is_last is last
