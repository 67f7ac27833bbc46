"""Platforms on the command line, of indexes that say nothing or something wrong about their entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import Run
from tests.support.shelf import Shelf, for_platform


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A layout with an index of two images without platforms, and one whose entry says the wrong one."""
    shelf = Shelf(tmp_path / "shelf")
    amd64, arm64 = (shelf.image(shelf.layer(name), platform=f"linux/{name}") for name in ("amd64", "arm64"))
    shelf.tag("open", shelf.index(amd64, arm64))
    shelf.tag("wrong", shelf.index(for_platform(amd64, "linux/arm64"), for_platform(arm64, "linux/s390x")))
    shelf.tag("amd64", amd64)
    return shelf


@pytest.mark.parametrize(
    "typed",
    [
        "files REF",
        "inspect REF --no-referrers",
        "diff REF REF",
        "diff REF REF --files",
        "export REF -o new.tar",
        "flatten REF --to oci:new:x",
    ],
)
def test_a_wrong_entry_is_taken_with_one_warning(typed: str, lading: Run, shelf: Shelf) -> None:
    done = lading(*typed.replace("REF", "oci:shelf:wrong").split(), "--platform", "linux/arm64")
    digest = shelf.tags["amd64"]["digest"]
    expected = f"{digest}: the index lists it for linux/arm64, but its config is for linux/amd64"
    assert done.code == 0
    assert done.stderr == f"lading: warning: oci:shelf: {expected}\n"


def test_a_quiet_command_does_not_warn(lading: Run, shelf: Shelf) -> None:
    done = lading("cat", "oci:shelf:wrong", "/amd64", "--platform", "linux/arm64", "-q")
    assert (done.code, done.stdout, done.stderr) == (0, b"amd64", "")


def test_entries_without_a_platform_are_found_by_every_verb(lading: Run, shelf: Shelf, registry: str) -> None:
    arm64 = shelf.read(shelf.tags["open"])["manifests"][1]["digest"]
    app = f"{registry}/platforms/app"
    assert lading("copy", "oci:shelf:open", f"{app}:open").code == 0
    assert lading("copy", "oci:shelf:open", "oci-archive:open.tar:open").code == 0
    for name in ("oci:shelf:open", f"{app}:open", "oci-archive:open.tar:open"):
        done = lading("resolve", name, "oci:shelf:open", "--platform", "linux/arm64")
        assert (done.code, done.lines, done.stderr) == (0, [arm64, arm64], "")
        assert lading("cat", name, "/arm64", "--platform", "linux/arm64").stdout == b"arm64"
        assert lading("inspect", name, "--platform", "linux/arm64", "--json").record["digest"] == arm64
        assert lading("copy", name, f"{app}:one", "--platform", "linux/arm64").lines == [arm64]
        done = lading("mutate", name, "--to", f"{app}:new", "--user", "me", "--platform", "linux/arm64")
        assert (done.code, done.stderr) == (0, "")
    for verb in ("referrers", "evidence"):
        assert lading(verb, f"{app}:open", "--platform", "linux/arm64").code == 0
    assert lading("manifest", "pull", f"{app}:open", "--platform", "linux/arm64", "-o", "m").lines == [arm64]


def test_resolve_goes_on_after_an_image_for_another_platform(lading: Run, shelf: Shelf) -> None:
    done = lading("resolve", "oci:shelf:amd64", "oci:shelf:open", "--platform", "linux/arm64")
    assert (done.code, len(done.lines)) == (3, 1)
    assert "is an image for linux/amd64, not for linux/arm64" in done.stderr
