from __future__ import annotations

import copy
import hashlib
import pickle

import pytest
from hypothesis import given, strategies as st

from lading.digest import REGISTERED_ALGORITHMS, Digest, hasher
from lading.errors import InvalidDigestError
from tests.support.hostile import much

EMPTY_SHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMPTY_SHA512 = (
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)
HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "algorithm", "encoded"),
    [
        pytest.param(f"sha256:{HEX}", "sha256", HEX, id="sha256"),
        pytest.param(f"sha512:{HEX}{HEX}", "sha512", HEX + HEX, id="sha512"),
        pytest.param(f"blake3:{HEX}", "blake3", HEX, id="blake3"),
        pytest.param("multihash+base58:QmRZxt2b", "multihash+base58", "QmRZxt2b", id="unregistered"),
        pytest.param("sha256+b64u:LCa0a2j_xo-5m0U8=", "sha256+b64u", "LCa0a2j_xo-5m0U8=", id="parameterised"),
        pytest.param("a.b_c-d+e:1", "a.b_c-d+e", "1", id="every-separator"),
        pytest.param("md5:abc", "md5", "abc", id="md5-is-only-a-name"),
    ],
)
def test_digest_grammar_is_accepted(text: str, algorithm: str, encoded: str) -> None:
    digest = Digest(text)
    assert digest == text
    assert (digest.algorithm, digest.encoded) == (algorithm, encoded)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param("sha256", 6, id="no-colon"),
        pytest.param(":abc", 0, id="no-algorithm"),
        pytest.param("md5:", 4, id="no-encoded"),
        pytest.param(f"SHA256:{HEX}", 0, id="upper-case-algorithm"),
        pytest.param(f"sha256:{HEX[:-1]}", 70, id="sha256-too-short"),
        pytest.param(f"sha256:{HEX}a", 71, id="sha256-too-long"),
        pytest.param(f"sha256:{HEX[:10]}A{HEX[11:]}", 17, id="sha256-upper-case"),
        pytest.param(f"sha256:{HEX[:-1]}g", 70, id="sha256-not-hexadecimal"),
        pytest.param(f"sha512:{HEX}", 71, id="sha512-too-short"),
        pytest.param(f"blake3:{HEX}{HEX}", 71, id="blake3-too-long"),
        pytest.param(f"sha256:{HEX}\n", 71, id="newline-at-the-end"),
        pytest.param(f"sha256:{HEX[:-1]}\n", 70, id="newline-for-a-digit"),
        pytest.param(f" sha256:{HEX}", 0, id="space-before"),
        pytest.param("sha256:../../etc/passwd", 7, id="path"),
        pytest.param("a..b:1", 1, id="empty-algorithm-component"),
        pytest.param("a-:1", 1, id="separator-at-the-end"),
        pytest.param("md5:a%2fb", 5, id="percent"),
        pytest.param("md5:a\0", 5, id="nul"),
        pytest.param("md5:a:b", 5, id="second-colon"),
        pytest.param(f"sha256:{HEX[:-1]}\u0661", 70, id="arabic-digit"),
        pytest.param("md\uff15:a", 2, id="full-width-digit"),
    ],
)
def test_digest_outside_the_grammar_is_refused_where_it_goes_wrong(text: str, position: int) -> None:
    with pytest.raises(InvalidDigestError) as caught:
        Digest(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_error_for_a_long_text_is_short() -> None:
    with pytest.raises(InvalidDigestError) as caught:
        Digest("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("unit", ["a", "a.", "a:", "sha256:a", "=", "\n", "a-"])
def test_parsing_a_digest_takes_linear_time(unit: str) -> None:
    with pytest.raises(InvalidDigestError):
        Digest(much(unit) + "!")


def test_of_names_content() -> None:
    assert Digest.of(b"") == EMPTY_SHA256
    assert Digest.of(b"", "sha512") == EMPTY_SHA512


def test_made_names_what_a_hasher_has_seen() -> None:
    state = Digest(EMPTY_SHA256).hasher()
    state.update(b"content")
    assert Digest.made("sha256", state) == Digest.of(b"content")


@pytest.mark.parametrize("algorithm", ["blake3", "md5", "sha1", "SHA256", "sha256\n", ""])
def test_algorithm_that_cannot_be_computed_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidDigestError, match="use sha256 or sha512") as caught:
        hasher(algorithm)
    assert caught.value.text == algorithm


def test_unregistered_digest_is_kept_but_not_computed() -> None:
    digest = Digest("md5:d41d8cd98f00b204e9800998ecf8427e")
    with pytest.raises(InvalidDigestError, match="'md5' cannot be computed"):
        digest.hasher()


def test_registered_algorithms_are_those_of_the_image_specification() -> None:
    assert REGISTERED_ALGORITHMS == ("sha256", "sha512", "blake3")


def test_digest_is_a_value() -> None:
    digest = Digest(EMPTY_SHA256)
    assert Digest(digest) is digest
    assert {digest: 1}[Digest(EMPTY_SHA256)] == 1
    assert repr(digest) == f"Digest({EMPTY_SHA256!r})"
    assert type(str(digest)) is str
    assert not hasattr(digest, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_digest_is_pickled_as_a_digest(protocol: int) -> None:
    again = pickle.loads(pickle.dumps(Digest(EMPTY_SHA512), protocol))  # noqa: S301  # our own bytes
    assert again == EMPTY_SHA512
    assert type(again) is Digest
    assert type(copy.deepcopy(again)) is Digest


@given(st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_computed_digest_parses(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    assert Digest(str(digest)) == digest
    assert digest.encoded == hashlib.new(algorithm, content).hexdigest()


@given(st.from_regex(r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", fullmatch=True))
def test_every_text_of_the_grammar_with_another_algorithm_is_a_digest(text: str) -> None:
    if text.partition(":")[0] not in REGISTERED_ALGORITHMS:
        assert Digest(text) == text


@given(st.text(alphabet="as256:+._-=A\n/%é"))
def test_any_text_is_a_digest_or_points_to_a_fault(text: str) -> None:
    try:
        digest = Digest(text)
    except InvalidDigestError as error:
        position = error.position
    else:
        assert f"{digest.algorithm}:{digest.encoded}" == text
        return
    assert position in range(len(text) + 1)
