"""Platforms: operating system and processor of an image, and the choice of the best image for a machine.

Fields as in image-spec, image-index.md; syntax, spellings and preferences as in github.com/containerd/platforms.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import astuple, force_setattr

from lading import _values
from lading._patterns import lazy_pattern
from lading._text import elided
from lading.errors import InvalidPlatformError

# Values of GOOS and GOARCH, which the image specification points to.
_GOOS = "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos"
_GOARCH = (
    "386 amd64 amd64p32 arm arm64 arm64be armbe loong64 mips mips64 mips64le mips64p32 mips64p32le mipsle ppc ppc64 "
    "ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
)
_SYSTEMS = frozenset(_GOOS.split())
_ARCHITECTURES = frozenset(_GOARCH.split())
# Other spellings of systems, of architectures (those that imply a variant, and the others), and of variants.
_SYSTEM_SPELLINGS = {"macos": "darwin"}
_PROCESSOR_SPELLINGS = {"i386": ("386", ""), "armhf": ("arm", "v7"), "armel": ("arm", "v6")}
_ARCHITECTURE_SPELLINGS = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
_VARIANT_SPELLINGS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "9"): "v9",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
    ("arm", "5"): "v5",
    ("arm", "6"): "v6",
    ("arm", "7"): "v7",
    ("arm", "8"): "v8",
}

# Names that Python and the kernel give to this machine, where they differ from those above.
_PYTHON_SYSTEMS = {"win32": "windows", "cygwin": "windows", "emscripten": "js", "wasi": "wasip1", "sunos5": "solaris"}
_KERNEL_MACHINES = {
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "x86": "386",
    "loongarch64": "loong64",
    "wasm32": "wasm",
}
_KERNEL_ARM = lazy_pattern(r"armv([5-8])[a-z]*", re.ASCII)

_COMPONENT = lazy_pattern(r"[A-Za-z0-9_.-]+", re.ASCII)
_SYSTEM = lazy_pattern(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?", re.ASCII)
_ESCAPE = lazy_pattern(r"%(25|28|29|2[BbFf])?", re.ASCII)
_ESCAPED = str.maketrans({"%": "%25", "(": "%28", ")": "%29", "+": "%2B", "/": "%2F"})

# BuildKit writes this for attestations, which no platform runs.
_UNKNOWN = "unknown"
_VERSION = lazy_pattern(r"v?([0-9]{1,2})", re.ASCII)
_ARM64_VERSION = lazy_pattern(r"v([89])(?:\.([0-9]))?", re.ASCII)
_WINDOWS_VERSION = lazy_pattern(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,5})(?:\.([0-9]{1,9}))?(?![0-9])", re.ASCII)
# Builds of the long-term releases whose containers run on later hosts: Windows Server 2022 and 2025.
_WINDOWS_STABLE = (20348, 26100)


# The types of the fields as msgspec makes them, in their order.
_DECODED = (str, str, str, tuple, str)
_PARSE = "write Platform.parse('linux/arm64')"


class Platform(
    msgspec.Struct, frozen=True, omit_defaults=True, rename={"os_version": "os.version", "os_features": "os.features"}
):
    """A processor and an operating system (image-spec, image-index.md), with the fields as they were written."""

    architecture: str
    """Architecture of the processor, a value of GOARCH such as `arm64`."""
    os: str
    """Operating system, a value of GOOS such as `linux`."""
    os_version: str = ""
    """Version of the operating system, such as `10.0.17763.1`; images of Windows have one."""
    os_features: tuple[str, ...] = ()
    """Features that the operating system must have, such as `win32k`."""
    variant: str = ""
    """Variant of the processor, such as `v7` of `arm`."""

    def __post_init__(self) -> None:
        # msgspec checks what it decodes, and leaves arguments to the type checker.
        if tuple(map(type, astuple(self))) != _DECODED or self.os_features:
            for name in ("architecture", "os", "os_version", "variant"):
                _values.expect(getattr(self, name), str, name)
            force_setattr(self, "os_features", _values.items(self.os_features, "os_features"))

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `OS`, `ARCHITECTURE` or `OS/ARCHITECTURE[/VARIANT]`; missing parts are this machine's.

        OS may be followed by a version and features: `windows(10.0.17763+win32k)/amd64`.

        Raises `InvalidPlatformError`.
        """
        _values.expect(text, str, "platform")
        system, *processor = text.split("/", 3)
        match = _SYSTEM.fullmatch(system)
        if match is None or len(processor) > 2 or not all(map(_COMPONENT.fullmatch, processor)):
            raise _invalid(text, "write OS, ARCHITECTURE or OS/ARCHITECTURE[/VARIANT], such as linux/arm64")
        name = _normalised_system(match[1])
        if processor:
            architecture, variant = _parse_processor(*processor)
        elif name in _SYSTEMS:
            here = cls.local()
            architecture, variant = here.architecture, here.variant
        else:
            architecture, variant = _parse_processor(system)
            name = cls.local().os
            if architecture not in _ARCHITECTURES:
                raise _invalid(text, "neither an operating system nor an architecture has this name")
        version = _unescaped(match[2] or "", text)
        features = {_unescaped(feature, text) for feature in (match[3] or "").split("+")} - {""}
        return cls(architecture, name, version, tuple(sorted(features)), variant)

    @classmethod
    def local(cls) -> Platform:
        """Return the platform of this machine, as its kernel reports it."""
        if sys.platform == "win32":
            machine = os.environ.get("PROCESSOR_ARCHITECTURE", "")
        else:
            machine = os.uname().machine
        return _described(sys.platform, machine)

    def normalised(self) -> Platform:
        """Return the platform in its canonical spelling, for comparisons: `linux/arm64` for `Linux/aarch64/v8`."""
        architecture, variant = _normalised_processor(self.architecture, self.variant)
        features = tuple(sorted(set(self.os_features)))
        return Platform(architecture, _normalised_system(self.os), self.os_version, features, variant)

    def matches(self, wanted: Platform) -> bool:
        """Return whether an image for this platform runs on the wanted one, possibly by compatibility."""
        _values.expect(wanted, Platform, "wanted", _PARSE)
        return _rank(wanted.normalised(), self.normalised()) is not None

    def __str__(self) -> str:
        if self.os == "":
            return _UNKNOWN
        options = "".join(f"+{feature.translate(_ESCAPED)}" for feature in sorted(set(self.os_features)))
        options = self.os_version.translate(_ESCAPED) + options
        parts = (f"{self.os}({options})" if options else self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part)


PlatformLike: TypeAlias = Platform | str
"""A platform, or the string that names one, such as `linux/arm64/v8`."""


def as_platform(platform: PlatformLike) -> Platform:
    """Return a platform, parsed if it is a string. Raises `InvalidPlatformError`, and `TypeError` for anything else."""
    _values.expect(platform, (Platform, str), "platform")
    return Platform.parse(platform) if isinstance(platform, str) else platform


def choose(wanted: Platform, candidates: Sequence[Platform | None]) -> int | None:
    """Return the index of the candidate that fits the wanted platform best, or None if none fits.

    The same processor is better than a compatible one, and of these the nearest is best (an arm64 machine runs arm/v8,
    v7, v6 and v5 in that order); more of the wanted features are better than fewer. For a version of Windows, the
    newest that runs there is best. Of equals, the first is chosen (image-spec, image-index.md). A candidate without a
    platform, or with an unknown one, is never chosen.
    """
    normalised = wanted.normalised()
    ranks = [
        (rank, index)
        for index, candidate in enumerate(candidates)
        if candidate is not None and (rank := _rank(normalised, candidate.normalised())) is not None
    ]
    return min(ranks)[1] if ranks else None


def contradicts(listed: Platform, actual: Platform) -> bool:
    """Return whether the platform that an index lists for an image is not the one that its config states.

    Fields that only one of them has do not count: many configs have no variant, and many entries no version.
    """
    one, other = listed.normalised(), actual.normalised()
    if (one.os, one.architecture) != (other.os, other.architecture):
        return True
    # An entry without a variant is for the usual one; a config without a variant may be older than this field.
    if actual.variant and one.variant != other.variant:
        return True
    pairs = ((one.os_version, other.os_version), (one.os_features, other.os_features))
    return any(said and found and said != found for said, found in pairs)


def _rank(wanted: Platform, candidate: Platform) -> tuple[int, ...] | None:
    """Order normalised candidates, the best first; None does not run on the wanted platform."""
    processor = candidate.architecture, candidate.variant
    processors = _processors(wanted.architecture, wanted.variant)
    if wanted.os != candidate.os or _UNKNOWN in {candidate.os, *processor} or processor not in processors:
        return None
    features = set(candidate.os_features)
    # Images of Windows name win32k, but the wanted platform of a host seldom does.
    if not features - ({"win32k"} if wanted.os == "windows" else set()) <= set(wanted.os_features):
        return None
    matched = len(features.intersection(wanted.os_features))
    if wanted.os != "windows":
        return processors.index(processor), -matched
    host, container = _windows_version(wanted.os_version), _windows_version(candidate.os_version)
    if host is None or candidate.os_version == "":
        return processors.index(processor), -matched, 0
    if container is None or not _windows_runs(host, container):
        return None
    return processors.index(processor), -matched, *(-number for number in container)


def _processors(architecture: str, variant: str) -> list[tuple[str, str]]:
    """Return the architectures and variants whose programs a processor runs, the best first."""
    own = [(architecture, variant)]
    version = _VERSION.fullmatch(variant)
    if architecture == "amd64":
        older = range(int(version[1]) - 1, 0, -1) if version else ()
        return [*own, *(_normalised_processor("amd64", f"v{number}") for number in older), ("386", "")]
    if architecture == "arm":
        older = range(int(version[1]) - 1, 4, -1) if version else ()
        return [*own, *(("arm", f"v{number}") for number in older)]
    if architecture == "arm64":
        return [*(_arm64_versions(variant) or own), *_processors("arm", "v8")]
    return own


def _arm64_versions(variant: str) -> list[tuple[str, str]]:
    """Return the versions of 64-bit Arm that a version includes: v9.N includes v8.(N+5)."""
    version = _ARM64_VERSION.fullmatch(variant or "v8")
    if version is None:
        return []
    minor = int(version[2] or 0)
    newest = {8: minor} if version[1] == "8" else {9: minor, 8: min(minor + 5, 9)}
    return [
        _normalised_processor("arm64", f"v{major}.{number}")
        for major, last in newest.items()
        for number in range(last, -1, -1)
    ]


def _windows_version(text: str) -> tuple[int, ...] | None:
    match = _WINDOWS_VERSION.match(text)
    return None if match is None else tuple(int(number or 0) for number in match.groups())


def _windows_runs(host: tuple[int, ...], container: tuple[int, ...]) -> bool:
    """Return whether a host runs a container: of its own build, or of one since the previous long-term release.

    https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility
    """
    if host[:2] != container[:2]:
        return False
    build = host[2]
    earliest = max((stable for stable in _WINDOWS_STABLE if stable < build), default=build)
    return earliest <= container[2] <= build


def _normalised_system(system: str) -> str:
    return _SYSTEM_SPELLINGS.get(system.lower(), system.lower())


def _normalised_processor(architecture: str, variant: str) -> tuple[str, str]:
    architecture, variant = architecture.lower(), variant.lower()
    if architecture in _PROCESSOR_SPELLINGS:
        return _PROCESSOR_SPELLINGS[architecture]
    architecture = _ARCHITECTURE_SPELLINGS.get(architecture, architecture)
    return architecture, _VARIANT_SPELLINGS.get((architecture, variant), variant)


def _parse_processor(architecture: str, variant: str = "") -> tuple[str, str]:
    """Return the usual spelling, with the usual variant only if a variant was written."""
    processor = _normalised_processor(architecture, variant)
    if variant and processor == ("arm64", ""):
        return "arm64", "v8"
    if not variant and processor == ("arm", "v7"):
        return "arm", ""
    return processor


def _described(system: str, machine: str) -> Platform:
    """Return the platform that Python calls `system` and the kernel `machine`."""
    name = _PYTHON_SYSTEMS.get(system) or _normalised_system(system.rstrip("0123456789"))
    arm = _KERNEL_ARM.fullmatch(machine)
    if arm:
        return Platform("arm", name, variant=f"v{arm[1]}")
    architecture, variant = _parse_processor(_KERNEL_MACHINES.get(machine, machine))
    return Platform(architecture, name, variant=variant)


def _unescaped(value: str, text: str) -> str:
    if any(escape[1] is None for escape in _ESCAPE.finditer(value)):
        raise _invalid(text, "the only escapes are %25, %28, %29, %2B and %2F")
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), value)


def _invalid(text: str, why: str) -> InvalidPlatformError:
    shown = elided(text)
    return InvalidPlatformError(f"invalid platform {shown!r}: {why}", text=text)
