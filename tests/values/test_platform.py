from __future__ import annotations

import copy
import pickle
import platform as python_platform
import sys

import msgspec
import pytest
from hypothesis import given, strategies as st

from lading.errors import InvalidPlatformError
from lading.platform import Platform, _described, choose
from tests.support.hostile import much

HERE = Platform.local()


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        pytest.param("linux/amd64", Platform("amd64", "linux"), "linux/amd64", id="usual"),
        pytest.param("linux/arm64", Platform("arm64", "linux"), "linux/arm64", id="arm64"),
        pytest.param("linux/arm64/v8", Platform("arm64", "linux", variant="v8"), "linux/arm64/v8", id="arm64-v8"),
        pytest.param("linux/aarch64/8", Platform("arm64", "linux", variant="v8"), "linux/arm64/v8", id="aarch64-8"),
        pytest.param("linux/arm64/v9.0", Platform("arm64", "linux", variant="v9"), "linux/arm64/v9", id="arm64-v9.0"),
        pytest.param("linux/arm", Platform("arm", "linux"), "linux/arm", id="arm"),
        pytest.param("linux/arm/v7", Platform("arm", "linux", variant="v7"), "linux/arm/v7", id="arm-v7"),
        pytest.param("linux/arm/6", Platform("arm", "linux", variant="v6"), "linux/arm/v6", id="arm-6"),
        pytest.param("linux/armhf", Platform("arm", "linux"), "linux/arm", id="armhf"),
        pytest.param("linux/armel", Platform("arm", "linux", variant="v6"), "linux/arm/v6", id="armel"),
        pytest.param("Linux/x86_64", Platform("amd64", "linux"), "linux/amd64", id="x86_64"),
        pytest.param("linux/X86-64/V3", Platform("amd64", "linux", variant="v3"), "linux/amd64/v3", id="x86-64-v3"),
        pytest.param("linux/amd64/v1", Platform("amd64", "linux"), "linux/amd64", id="amd64-v1"),
        pytest.param("linux/i386", Platform("386", "linux"), "linux/386", id="i386"),
        pytest.param("macOS/Aarch64", Platform("arm64", "darwin"), "darwin/arm64", id="macos"),
        pytest.param("wasip1/wasm", Platform("wasm", "wasip1"), "wasip1/wasm", id="unknown-pair"),
        pytest.param(
            "windows(10.0.17763)/amd64",
            Platform("amd64", "windows", "10.0.17763"),
            "windows(10.0.17763)/amd64",
            id="version",
        ),
        pytest.param(
            "windows(10.0.17763+win32k)/amd64",
            Platform("amd64", "windows", "10.0.17763", ("win32k",)),
            "windows(10.0.17763+win32k)/amd64",
            id="version-and-feature",
        ),
        pytest.param(
            "linux(+simd+gpu+gpu)/amd64",
            Platform("amd64", "linux", os_features=("gpu", "simd")),
            "linux(+gpu+simd)/amd64",
            id="features",
        ),
        pytest.param("windows()/amd64", Platform("amd64", "windows"), "windows/amd64", id="empty-version"),
        pytest.param(
            "x(1%2b2%25+a%2Fb%28%29)/y",
            Platform("y", "x", "1+2%", ("a/b()",)),
            "x(1%2B2%25+a%2Fb%28%29)/y",
            id="escapes",
        ),
    ],
)
def test_platform_is_read_as_containerd_does(text: str, expected: Platform, written: str) -> None:
    assert Platform.parse(text) == expected
    assert str(expected) == written
    assert Platform.parse(written) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("arm64", Platform("arm64", HERE.os), id="arm64"),
        pytest.param("x86_64", Platform("amd64", HERE.os), id="x86_64"),
        pytest.param("armhf", Platform("arm", HERE.os), id="armhf"),
        pytest.param("armel", Platform("arm", HERE.os, variant="v6"), id="armel"),
        pytest.param("S390X", Platform("s390x", HERE.os), id="upper-case"),
        pytest.param("linux", Platform(HERE.architecture, "linux", variant=HERE.variant), id="linux"),
        pytest.param("macos", Platform(HERE.architecture, "darwin", variant=HERE.variant), id="macos"),
        pytest.param(
            "windows(10.0.20348)",
            Platform(HERE.architecture, "windows", "10.0.20348", variant=HERE.variant),
            id="version",
        ),
    ],
)
def test_what_is_left_out_of_a_platform_is_this_machine(text: str, expected: Platform) -> None:
    assert Platform.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "write OS", id="empty"),
        pytest.param("*", "write OS", id="wildcard"),
        pytest.param("linux/*", "write OS", id="wildcard-architecture"),
        pytest.param("linux/", "write OS", id="slash-last"),
        pytest.param("/amd64", "write OS", id="slash-first"),
        pytest.param("linux//v8", "write OS", id="empty-part"),
        pytest.param("linux/arm64/", "write OS", id="empty-variant"),
        pytest.param("linux/arm/v7/x", "write OS", id="four-parts"),
        pytest.param("linux/arm/v7/x/y", "write OS", id="five-parts"),
        pytest.param("linux/amd64\n", "write OS", id="newline"),
        pytest.param("linux amd64", "write OS", id="space"),
        pytest.param("linux/amd\u0666\u0664", "write OS", id="arabic-digits"),
        pytest.param("windows(10.0/amd64", "write OS", id="open-parenthesis"),
        pytest.param("windows(1)x/amd64", "write OS", id="after-parenthesis"),
        pytest.param("linux(+)/amd64", "write OS", id="empty-feature"),
        pytest.param("linux/amd64(1)", "write OS", id="version-of-an-architecture"),
        pytest.param("windows(1%zz)/amd64", "escapes", id="unknown-escape"),
        pytest.param("windows(1%0a)/amd64", "escapes", id="escaped-newline"),
        pytest.param("windows(1%)/amd64", "escapes", id="short-escape"),
        pytest.param("amd46", "nor an architecture has this name", id="unknown-name"),
        pytest.param("arm64(1)", "nor an architecture has this name", id="architecture-with-version"),
        pytest.param("unknown", "nor an architecture has this name", id="unknown"),
    ],
)
def test_text_that_is_no_platform_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidPlatformError, match=why) as caught:
        Platform.parse(text)
    assert str(caught.value).startswith(f"invalid platform {text!r}: ")


@pytest.mark.parametrize("unit", ["a", "a(", "(+", "+a", "/", "%", "x(+a", "é"])
def test_parsing_a_platform_takes_linear_time(unit: str) -> None:
    with pytest.raises(InvalidPlatformError, match="invalid platform") as caught:
        Platform.parse(much(unit) + "!")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("platform", "normalised"),
    [
        pytest.param(Platform("aarch64", "Linux", variant="V8"), Platform("arm64", "linux"), id="arm64-v8"),
        pytest.param(Platform("arm64", "linux", variant="v8.0"), Platform("arm64", "linux"), id="arm64-v8.0"),
        pytest.param(Platform("arm64", "linux", variant="9"), Platform("arm64", "linux", variant="v9"), id="arm64-9"),
        pytest.param(Platform("arm", "linux"), Platform("arm", "linux", variant="v7"), id="arm"),
        pytest.param(Platform("armhf", "linux", variant="v6"), Platform("arm", "linux", variant="v7"), id="armhf"),
        pytest.param(Platform("armel", "linux"), Platform("arm", "linux", variant="v6"), id="armel"),
        pytest.param(Platform("arm", "linux", variant="5"), Platform("arm", "linux", variant="v5"), id="arm-5"),
        pytest.param(Platform("x86-64", "linux", variant="v1"), Platform("amd64", "linux"), id="amd64-v1"),
        pytest.param(Platform("i386", "linux", variant="x"), Platform("386", "linux"), id="i386"),
        pytest.param(
            Platform("x", "macOS", "14", ("b", "a", "b")), Platform("x", "darwin", "14", ("a", "b")), id="rest"
        ),
    ],
)
def test_normalised_platform_has_the_usual_spelling(platform: Platform, normalised: Platform) -> None:
    assert platform.normalised() == normalised
    assert normalised.normalised() == normalised


V8 = [f"linux/arm64/v8.{minor}" for minor in range(9, 0, -1)]
V9 = [f"linux/arm64/v9.{minor}" for minor in range(9, 0, -1)]
ARM = ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]


@pytest.mark.parametrize(
    ("wanted", "accepted", "others"),
    [
        pytest.param(
            "linux/amd64",
            ["linux/amd64", "linux/386"],
            ["linux/amd64/v2", "linux/arm64", "windows/amd64", "darwin/amd64"],
            id="amd64",
        ),
        pytest.param(
            "linux/amd64/v3",
            ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"],
            ["linux/amd64/v4", "linux/arm64"],
            id="amd64-v3",
        ),
        pytest.param("linux/amd64/v1", ["linux/x86_64", "linux/i386"], ["linux/amd64/v2"], id="amd64-v1"),
        pytest.param("linux/386", ["linux/386"], ["linux/amd64", "linux/arm"], id="386"),
        pytest.param(
            "linux/arm64",
            ["linux/arm64/v8", *ARM],
            ["linux/arm64/v8.1", "linux/arm64/v9", "linux/arm/v4", "linux/arm/v9", "linux/amd64"],
            id="arm64",
        ),
        pytest.param("linux/arm64/v8.2", [*V8[-2:], "linux/arm64", *ARM], ["linux/arm64/v8.3"], id="arm64-v8.2"),
        pytest.param(
            "linux/arm64/v9",
            ["linux/arm64/v9", *V8[-5:], "linux/arm64", *ARM],
            ["linux/arm64/v8.6", "linux/arm64/v9.1"],
            id="arm64-v9",
        ),
        pytest.param(
            "linux/arm64/v9.6",
            [*V9[-6:], "linux/arm64/v9.0", *V8, "linux/arm64", *ARM],
            ["linux/arm64/v8.10", "linux/arm64/v9.7", "linux/arm/v4"],
            id="arm64-v9.6",
        ),
        pytest.param("linux/arm64/v10", ["linux/arm64/v10", *ARM], ["linux/arm64"], id="arm64-unknown-variant"),
        pytest.param("linux/arm/v8", ARM, ["linux/arm/v4", "linux/arm64"], id="arm-v8"),
        pytest.param("linux/arm", ["linux/arm", *ARM[2:]], ["linux/arm/v8", "linux/arm/v4"], id="arm-v7"),
        pytest.param("linux/arm/v6", ARM[2:], ["linux/arm", "linux/arm/v8", "linux/arm/v4"], id="arm-v6"),
        pytest.param("linux/arm/v5", ARM[3:], ["linux/arm/v6", "linux/arm/v4"], id="arm-v5"),
        pytest.param("linux/arm/v4", ["linux/arm/v4"], ["linux/arm/v5", "linux/arm"], id="arm-v4"),
        pytest.param("linux/riscv64", ["linux/riscv64"], ["linux/riscv64/x", "linux/riscv"], id="riscv64"),
        pytest.param("linux/amd64/v\u0663", ["linux/386"], ["linux/amd64/v2"], id="arabic-digit"),
        pytest.param("linux/amd64/v99999", ["linux/386"], ["linux/amd64/v4", "linux/amd64"], id="absurd-version"),
    ],
)
def test_processors_are_accepted_in_order(wanted: str, accepted: list[str], others: list[str]) -> None:
    system, architecture, variant = (*wanted.split("/"), "")[:3]
    platform = Platform(architecture, system, variant=variant)
    best_last = [Platform.parse(text) for text in [*others, *reversed(accepted)]]
    while len(best_last) > len(others):
        assert choose(platform, best_last) == len(best_last) - 1
        assert best_last.pop().matches(platform)
    assert choose(platform, best_last) is None
    assert not any(candidate.matches(platform) for candidate in best_last)


def test_of_equals_the_first_is_chosen() -> None:
    candidates = [Platform.parse(text) for text in ("linux/amd64", "linux/arm64/v8", "linux/aarch64", "linux/arm64")]
    assert choose(Platform.parse("linux/arm64"), candidates) == 1


def test_attestations_and_candidates_without_platform_are_never_chosen() -> None:
    unknown = Platform("unknown", "unknown")
    assert choose(unknown, [unknown]) is None
    assert choose(Platform("unknown", "linux"), [Platform("unknown", "linux")]) is None
    assert choose(Platform("amd64", "linux"), [None, unknown, Platform("amd64", "linux"), unknown]) == 2
    assert choose(Platform("amd64", "linux"), [None]) is None
    assert choose(Platform("amd64", "linux"), []) is None


@pytest.mark.parametrize(
    ("wanted", "candidates", "best"),
    [
        pytest.param("linux/amd64", ["linux(+gpu)/amd64", "linux/amd64"], 1, id="none-wanted"),
        pytest.param("linux(+gpu)/amd64", ["linux/amd64", "linux(+gpu)/amd64"], 1, id="wanted"),
        pytest.param("linux(+a)/amd64", ["linux(+a+b)/amd64"], None, id="more-than-wanted"),
        pytest.param("linux(+a+b)/amd64", ["linux(+a)/amd64", "linux(+b+a)/amd64"], 1, id="most"),
        pytest.param("linux(+a)/amd64", ["linux(+a)/386", "linux/amd64"], 1, id="processor-first"),
        pytest.param("linux(7.2)/amd64", ["linux(7.1)/amd64"], 0, id="version-of-linux-is-not-compared"),
        pytest.param("windows/amd64", ["windows(+win32k)/amd64"], 0, id="win32k-need-not-be-wanted"),
        pytest.param("windows/amd64", ["windows/amd64", "windows(+win32k)/amd64"], 0, id="win32k-is-no-better"),
        pytest.param("windows(+win32k)/amd64", ["windows/amd64", "windows(+win32k)/amd64"], 1, id="win32k-wanted"),
        pytest.param("windows/amd64", ["windows(+x)/amd64"], None, id="other-feature-of-windows"),
        pytest.param("linux/amd64", ["linux(+win32k)/amd64"], None, id="win32k-elsewhere"),
    ],
)
def test_features_of_the_operating_system(wanted: str, candidates: list[str], best: int | None) -> None:
    assert choose(Platform.parse(wanted), [Platform.parse(text) for text in candidates]) == best


@pytest.mark.parametrize(
    ("host", "container", "runs"),
    [
        pytest.param("10.0.17763", "10.0.17763.5830", True, id="2019-on-2019"),
        pytest.param("10.0.17763", "10.0.20348", False, id="2022-on-2019"),
        pytest.param("10.0.17763", "10.0.14393", False, id="2016-on-2019"),
        pytest.param("10.0.20348", "10.0.17763", False, id="2019-on-2022"),
        pytest.param("10.0.20348.1", "10.0.20348.2", True, id="2022-on-2022"),
        pytest.param("10.0.20348", "10.0.22621", False, id="11-on-2022"),
        pytest.param("10.0.22621", "10.0.20348", True, id="2022-on-11"),
        pytest.param("10.0.22621", "10.0.17763", False, id="2019-on-11"),
        pytest.param("10.0.25398", "10.0.20348", True, id="2022-on-23H2"),
        pytest.param("10.0.26100", "10.0.20348", True, id="2022-on-2025"),
        pytest.param("10.0.26100", "10.0.22621", True, id="11-on-2025"),
        pytest.param("10.0.26100", "10.0.26100", True, id="2025-on-2025"),
        pytest.param("10.0.27000", "10.0.20348", False, id="2022-after-2025"),
        pytest.param("10.0.27000", "10.0.26100", True, id="2025-after-2025"),
        pytest.param("6.3.20348", "10.0.20348", False, id="other-major"),
        pytest.param("10.1.20348", "10.0.20348", False, id="other-minor"),
        pytest.param("10.0.20348", "", True, id="container-without-version"),
        pytest.param("10.0.20348", "ltsc2022", False, id="container-without-build"),
        pytest.param("", "10.0.17763", True, id="host-without-version"),
        pytest.param("10", "10.0.17763", True, id="host-without-build"),
    ],
)
def test_windows_runs_containers_by_build(host: str, container: str, runs: bool) -> None:
    candidate = Platform("amd64", "windows", container)
    assert candidate.matches(Platform("amd64", "windows", host)) is runs


@pytest.mark.parametrize(
    ("wanted", "best"),
    [("windows(10.0.26100)/amd64", 3), ("windows(10.0.20348)/amd64", 1), ("windows/amd64", 0)],
    ids=["2025-newest", "2022", "any-first"],
)
def test_newest_windows_that_runs_is_chosen(wanted: str, best: int) -> None:
    versions = ["", "10.0.20348.3091", "10.0.26100.894", "10.0.26100.3000", "10.0.20348.1"]
    candidates = [Platform("amd64", "windows", version) for version in versions]
    assert choose(Platform.parse(wanted), candidates) == best


def test_platform_json_has_the_names_of_the_image_specification() -> None:
    platform = Platform("amd64", "windows", "10.0.14393.1066", ("win32k",), "v3")
    json = (
        b'{"architecture":"amd64","os":"windows","os.version":"10.0.14393.1066",'
        b'"os.features":["win32k"],"variant":"v3"}'
    )
    assert msgspec.json.encode(platform) == json
    assert msgspec.json.decode(json, type=Platform) == platform
    assert msgspec.json.encode(Platform("arm64", "linux")) == b'{"architecture":"arm64","os":"linux"}'


def test_platform_json_needs_architecture_and_os() -> None:
    with pytest.raises(msgspec.ValidationError, match="`architecture`"):
        msgspec.json.decode(b'{"os":"linux"}', type=Platform)
    with pytest.raises(msgspec.ValidationError, match="`os`"):
        msgspec.json.decode(b'{"architecture":"amd64","features":["sse4"]}', type=Platform)


def test_str_of_a_platform_without_os_is_unknown() -> None:
    assert str(Platform("amd64", "")) == "unknown"


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        pytest.param("linux", "x86_64", "linux/amd64", id="linux-amd64"),
        pytest.param("linux", "aarch64", "linux/arm64", id="linux-arm64"),
        pytest.param("linux", "armv7l", "linux/arm/v7", id="linux-armv7"),
        pytest.param("linux", "armv6l", "linux/arm/v6", id="linux-armv6"),
        pytest.param("linux", "armv5tejl", "linux/arm/v5", id="linux-armv5"),
        pytest.param("linux", "i686", "linux/386", id="linux-386"),
        pytest.param("linux", "loongarch64", "linux/loong64", id="linux-loong64"),
        pytest.param("linux", "ppc64le", "linux/ppc64le", id="linux-ppc64le"),
        pytest.param("darwin", "arm64", "darwin/arm64", id="macos"),
        pytest.param("win32", "AMD64", "windows/amd64", id="windows-amd64"),
        pytest.param("win32", "ARM64", "windows/arm64", id="windows-arm64"),
        pytest.param("win32", "x86", "windows/386", id="windows-386"),
        pytest.param("freebsd14", "amd64", "freebsd/amd64", id="freebsd"),
        pytest.param("sunos5", "sparc64", "solaris/sparc64", id="solaris"),
        pytest.param("emscripten", "wasm32", "js/wasm", id="browser"),
    ],
)
def test_local_platform_is_named_as_in_go(system: str, machine: str, expected: str) -> None:
    assert str(_described(system, machine)) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="compares with what Python says on Linux")
def test_local_platform_is_this_machine() -> None:
    assert HERE.os == "linux"
    assert HERE.normalised() == _described("linux", python_platform.machine()).normalised()
    assert choose(HERE, [Platform("pdp11", "unix"), HERE]) == 1


def test_platform_is_a_value() -> None:
    platform = Platform.parse("windows(10.0.17763+win32k)/amd64")
    assert pickle.loads(pickle.dumps(platform)) == platform  # noqa: S301  # our own bytes
    assert copy.deepcopy(platform) == platform
    assert len({platform, copy.copy(platform), Platform("amd64", "windows")}) == 2
    with pytest.raises(AttributeError):
        platform.os = "linux"  # type: ignore[misc]  # that is the point


words = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
options = st.text(alphabet="aZ09._-+%()/", min_size=1, max_size=8)
platforms = st.builds(
    Platform,
    words | st.sampled_from(["amd64", "arm", "arm64", "386", "aarch64"]),
    words | st.sampled_from(["linux", "windows"]),
    st.just("") | options,
    st.sets(options, max_size=3).map(sorted).map(tuple),
    st.sampled_from(["", "v1", "v2", "v5", "v7", "v8", "v9.2"]),
).filter(lambda platform: platform.os != "unknown" and platform.architecture != "unknown")


@given(platforms)
def test_every_normalised_platform_is_read_back_from_its_text(platform: Platform) -> None:
    normalised = platform.normalised()
    assert Platform.parse(str(normalised)).normalised() == normalised


@given(platforms)
def test_every_platform_matches_itself(platform: Platform) -> None:
    if platform.os != "windows":
        assert platform.matches(platform)
        assert choose(platform, [None, platform]) == 1


@given(platforms)
def test_platform_survives_json(platform: Platform) -> None:
    assert msgspec.json.decode(msgspec.json.encode(platform), type=Platform) == platform
