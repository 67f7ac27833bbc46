from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from lading._wire import header_fields
from lading._wire.header_fields import ContentRange, RateLimit, WantedRange
from lading.headers import Headers
from tests.support.hostile import much

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:50:07 GMT"
MOMENT = 784111777


@pytest.mark.parametrize(
    ("values", "target"),
    [
        pytest.param(['</v2/_catalog?last=a&n=1>; rel="next"'], "/v2/_catalog?last=a&n=1", id="specification"),
        pytest.param(['</x>;rel="next"'], "/x", id="no-blank"),
        pytest.param(["</x>; rel=next"], "/x", id="unquoted"),
        pytest.param(['</x>; REL="NEXT"'], "/x", id="upper-case"),
        pytest.param(['</x> ; rel = "next"'], "/x", id="blanks"),
        pytest.param(['</x>; title="a, b; c"; rel="next"'], "/x", id="quoted-comma"),
        pytest.param(['</x>; title="say \\"next\\""; rel=prev, </y>; rel=next'], "/y", id="escaped-quotes"),
        pytest.param(['</a>; rel="prev", </b>; rel="next"'], "/b", id="several-in-a-field"),
        pytest.param(['</a>; rel="prev"', '</b>; rel="next"'], "/b", id="several-fields"),
        pytest.param(['</a>; rel="last next"'], "/a", id="several-relations"),
        pytest.param(['</a>; rel="prev"; rel="next"'], None, id="first-relation-counts"),
        pytest.param(["</a>; rel=prev; rel=next, </b>; rel=next"], "/b", id="first-relation-counts-unquoted"),
        pytest.param(['</a>; rel="n\\ext"'], "/a", id="escaped-letter"),
        pytest.param(['</a,b;c>; rel="next"'], "/a,b;c", id="comma-in-target"),
        pytest.param(["< /a >; rel=next"], "/a", id="blanks-in-target"),
        pytest.param(["<>; rel=next"], "", id="empty-target"),
        pytest.param(['</a>; crossorigin; rel="next"; x=;'], "/a", id="odd-parameters"),
        pytest.param(['</a>; rel="next'], None, id="open-quote"),
        pytest.param(["</a>; rel"], None, id="no-relation"),
        pytest.param(["</a>"], None, id="no-parameter"),
        pytest.param(["/a; rel=next"], None, id="no-brackets"),
        pytest.param(["</a; rel=next"], None, id="open-bracket"),
        pytest.param(["", ",", "nonsense"], None, id="nonsense"),
        pytest.param([], None, id="none"),
    ],
)
def test_next_link(values: list[str], target: str | None) -> None:
    assert header_fields.next_link(values) == target


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("0-9", 9),
        ("bytes=0-9", 9),
        ("bytes 0-9", 9),
        ("0-9/10", 9),
        ("0-9/*", 9),
        (" 0-9 ", 9),
        ("0-0", 0),
        ("5-9", None),
        ("0--1", None),
        ("0-9-10", None),
        ("0-9\n", None),
        ("0-٩", None),
        ("0-" + "9" * 19, None),
        ("0-" + "9" * 20, None),
        ("", None),
        (None, None),
    ],
)
def test_end_5_range_of_an_upload(text: str | None, end: int | None) -> None:
    assert header_fields.upload_range(text) == end


@pytest.mark.spec("end-5.out-of-order")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-9", (0, 9)),
        ("10-10", (10, 10)),
        ("10-9", None),
        ("bytes 0-9", None),
        ("0-9/10", None),
        (" 0-9", None),
        ("0-9\n", None),
        ("-9", None),
        ("0-" + "9" * 19, None),
        ("", None),
    ],
)
def test_end_5_range_of_a_chunk_is_strict(text: str, expected: tuple[int, int] | None) -> None:
    assert header_fields.chunk_range(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 9, 10)),
        ("Bytes 5-9/*", ContentRange(5, 9, None)),
        ("bytes 0-9/9", None),
        ("bytes 9-0/10", None),
        ("bytes=0-9/10", None),
        ("bytes */10", None),
        ("0-9/10", None),
        ("bytes 0-9", None),
        ("bytes 0-9/10, bytes 0-9/10", None),
        ("bytes 0-" + "9" * 19 + "/*", None),
        ("bytes 0-9/" + "9" * 19, None),
        ("", None),
        (None, None),
    ],
)
def test_end_2_range_of_a_206_is_strict(text: str | None, expected: ContentRange | None) -> None:
    assert header_fields.content_range(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-9", WantedRange(0, 9)),
        ("BYTES= 5- ", WantedRange(5, None)),
        ("bytes=5-5", WantedRange(5, 5)),
        ("bytes=-5", WantedRange(None, 5)),
        ("bytes=9-0", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("items=0-9", None),
        ("bytes=a-b", None),
        ("bytes 0-9", None),
        (None, None),
    ],
)
def test_end_2_range_of_a_request(text: str | None, expected: WantedRange | None) -> None:
    assert header_fields.wanted_range(text) == expected


@pytest.mark.parametrize(
    ("wanted", "size", "expected"),
    [
        (WantedRange(0, 9), 10, (0, 9)),
        (WantedRange(0, 99), 10, (0, 9)),
        (WantedRange(5, None), 10, (5, 9)),
        (WantedRange(10, None), 10, None),
        (WantedRange(0, None), 0, None),
        (WantedRange(None, 3), 10, (7, 9)),
        (WantedRange(None, 30), 10, (0, 9)),
        (WantedRange(None, 0), 10, None),
        (WantedRange(None, 3), 0, None),
    ],
)
def test_end_2_range_within_a_blob(wanted: WantedRange, size: int, expected: tuple[int, int] | None) -> None:
    assert wanted.within(size) == expected


def _retry_after(*values: str, date: str | None = DATE) -> float | None:
    dated = [("Date", date)] if date else []
    return header_fields.retry_after(Headers([("Retry-After", value) for value in values] + dated))


@pytest.mark.parametrize(
    ("values", "date", "seconds"),
    [
        pytest.param(["2"], None, 2.0, id="seconds"),
        pytest.param([" 0 "], None, 0.0, id="zero"),
        pytest.param(["3", "60"], None, 60.0, id="the-longest"),
        pytest.param(["soon", "60"], None, 60.0, id="one-is-nonsense"),
        pytest.param(["999999999"], None, 999999999.0, id="too-long-is-the-callers"),
        pytest.param([LATER], DATE, 30.0, id="date"),
        pytest.param([DATE], DATE, None, id="date-now"),
        pytest.param([DATE], LATER, None, id="date-passed"),
        pytest.param([LATER], None, None, id="date-without-date"),
        pytest.param(["1746136938"], "Thu, 01 May 2025 22:01:18 GMT", 60.0, id="unix-time"),
        pytest.param(["1746136938"], None, None, id="unix-time-without-date"),
        pytest.param(["1746136938"], "Fri, 02 May 2025 00:00:00 GMT", None, id="unix-time-passed"),
        pytest.param(["9" * 19], DATE, None, id="overflow"),
        pytest.param(["9" * 5000], DATE, None, id="many-digits"),
        pytest.param(["-1"], DATE, None, id="negative"),
        pytest.param(["1e9"], DATE, None, id="exponent"),
        pytest.param(["1.5"], DATE, None, id="fraction"),
        pytest.param(["soon"], DATE, None, id="nonsense"),
        pytest.param([""], DATE, None, id="empty"),
        pytest.param([], DATE, None, id="none"),
    ],
)
def test_retry_after(values: list[str], date: str | None, seconds: float | None) -> None:
    assert _retry_after(*values, date=date) == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (DATE, MOMENT),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 29 Feb 2024 23:59:60 GMT", 1709251200),
        ("Thu, 29 Feb 2023 00:00:00 GMT", None),
        ("Thu, 00 Feb 2023 00:00:00 GMT", None),
        ("Thu, 01 Jan 1969 00:00:00 GMT", None),
        ("Thu, 01 Jan 0000 00:00:00 GMT", None),
        ("Thu, 01 Jan 2023 24:00:00 GMT", None),
        ("Thu, 01 Jan 2023 00:60:00 GMT", None),
        ("Thu, 01 Jan 2023 00:00:61 GMT", None),
        ("Thu, 01 Foo 2023 00:00:00 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        (DATE + "\n", None),
        ("", None),
        (None, None),
    ],
)
def test_http_date(text: str | None, moment: int | None) -> None:
    assert header_fields.http_date(text) == moment


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        pytest.param(['299 - "Your token will expire."'], ("Your token will expire.",), id="specification"),
        pytest.param(['299 - "say \\"hi\\" \\\\o/"'], ('say "hi" \\o/',), id="escapes"),
        pytest.param(['299 - "a, b", 299 - "c"'], ("a, b", "c"), id="several-in-a-field"),
        pytest.param(['299 - "a"', '299 - "b"', '299 - "a"'], ("a", "b"), id="each-once"),
        pytest.param(['299 host:5000 "a" "Sun, 06 Nov 1994 08:49:37 GMT", 299 - "b"'], ("a", "b"), id="agent-and-date"),
        pytest.param(['110 - "stale", 299 - "b"'], ("b",), id="other-codes"),
        pytest.param(['299 - "caf\xc3\xa9"'], ("café",), id="utf-8"),
        pytest.param(['299 - "caf\xe9"'], ("café",), id="latin-1"),
        pytest.param(['299 - ""'], (), id="empty"),
        pytest.param(['299 - "open', "299 -", "nonsense", ""], (), id="nonsense"),
        pytest.param(['299 - "' + "a" * 5000 + '"'], ("a" * 4096,), id="budget-of-one"),
        pytest.param(
            ['299 - "' + "a" * 4000 + '"', '299 - "' + "b" * 200 + '"', '299 - "c"'],
            ("a" * 4000, "b" * 96),
            id="budget",
        ),
        pytest.param([], (), id="none"),
    ],
)
def test_warnings(values: list[str], texts: tuple[str, ...]) -> None:
    assert header_fields.warnings(values) == texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/html;x", "text/html"),
        ("application/vnd.oci.image.index.v1+json ;", "application/vnd.oci.image.index.v1+json"),
        ("json", None),
        ("a/b c", None),
        ("a/b\n", None),
        ("a/b/c", None),
        ("a/", None),
        ("", None),
        (None, None),
    ],
)
def test_media_type(text: str | None, expected: str | None) -> None:
    assert header_fields.media_type(text) == expected


@pytest.mark.parametrize(
    ("values", "items"),
    [
        (["1.2.3, 1.2, 1", "latest"], ("1.2.3", "1.2", "1", "latest")),
        (["a,,b , ", ""], ("a", "b")),
        ([], ()),
    ],
)
def test_end_7b_comma_list(values: list[str], items: tuple[str, ...]) -> None:
    assert header_fields.comma_list(values) == items


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("10", 10), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 5000, None)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", "0x1", " 1", "1\n", "\u0661", "1, 1", None)],
)
def test_number(text: str | None, expected: int | None) -> None:
    assert header_fields.number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100;w=21600", RateLimit(100, 21600)),
        (" 100 ; w=21600;burst=2", RateLimit(100, 21600)),
        ("100", RateLimit(100, None)),
        ("100;burst=2", RateLimit(100, None)),
        ("-1;w=1", None),
        ("many", None),
        ("9" * 5000, None),
        (None, None),
    ],
)
def test_rate_limit(text: str | None, expected: RateLimit | None) -> None:
    assert header_fields.rate_limit(text) == expected


@given(st.text())
def test_a_quoted_string_is_read_as_it_was_written(text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"')
    assert header_fields.unescaped(written) == text


_READERS: list[Callable[[str], object]] = [
    lambda text: header_fields.next_link([text]),
    lambda text: header_fields.warnings([text]),
    lambda text: header_fields.comma_list([text]),
    header_fields.upload_range,
    header_fields.chunk_range,
    header_fields.content_range,
    header_fields.wanted_range,
    header_fields.media_type,
    header_fields.rate_limit,
    header_fields.number,
    header_fields.http_date,
]


@given(st.text())
def test_no_field_makes_a_reader_fail(text: str) -> None:
    for read in _READERS:
        read(text)


@pytest.mark.parametrize(
    ("opening", "unit", "closing"),
    [
        ("", "<", ""),
        ("", "<a>;", ""),
        ('<a>; rel="', "\\", ""),
        ('<a>; rel="', '\\"', ""),
        ("<a>", '; a="', ""),
        ("<a>", '; a="b"', ""),
        ("<a>", " ", ""),
        ("<a>;", "a", ""),
        ("<a>; a", " ", "b"),
        ("", "<a>, ", ""),
        ('299 - "', "a", ""),
        ("", '299 - "a", ', ""),
        ("", '110 - "", ', ""),
        ("299", " ", ""),
        ("299 a", " ", "a"),
        ("", " , ", ""),
        ("a/b", " ", "x"),
        ("", "a", ""),
        ("", "1", ""),
        ("1;", " ", "w="),
        ("bytes=", " ", ""),
    ],
    ids=repr,
)
def test_hostile_fields_cost_linear_time(opening: str, unit: str, closing: str) -> None:
    bait = opening + much(unit) + closing
    assert header_fields.next_link([bait]) is None
    for read in _READERS:
        read(bait)
