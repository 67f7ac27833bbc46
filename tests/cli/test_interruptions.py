"""A command that is killed: the next one moves only what is missing (R-90, I4)."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import Digest
from tests.cli.process import Run, command, environment
from tests.support.metered import Metered

MIB = 1 << 20
SIZE = 24 * MIB
# What requests and answers have beside the content.
SLACK = 64 << 10
CONTENT = random.Random(11).randbytes(SIZE)  # noqa: S311  # the same in every run
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def metered(registry: str) -> Iterator[Metered]:
    with Metered(registry) as relay:
        yield relay


def killed(metered: Metered, directory: Path, *arguments: str, after: int) -> None:
    """Run a command and kill it when so many bytes have passed."""
    metered.hold_after(after)
    with subprocess.Popen(command(*arguments), cwd=directory, env=environment(), stdout=subprocess.DEVNULL) as process:
        assert metered.wait()
        process.kill()
    metered.release()
    metered.settle()


def partials(directory: Path) -> list[int]:
    """Return the sizes of what is not complete yet."""
    return [path.stat().st_size for path in directory.glob(".lading-*.part")]


@pytest.mark.parametrize("after", [1 * MIB, 11 * MIB, 23 * MIB])
def test_r90_a_push_goes_on_where_a_killed_one_was(
    *, metered: Metered, registry: str, lading: Run, tmp_path: Path, after: int
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    repository = f"killed/push{after}"
    killed(metered, tmp_path, "blob", "push", f"{metered.address}/{repository}", "blob", after=after)
    left, before = SIZE - metered.sent, metered.sent
    assert lading("blob", "push", f"{metered.address}/{repository}", "blob").code == 0
    assert metered.sent - before < max(left, 0) + SLACK
    assert lading("blob", "exists", f"{registry}/{repository}@{DIGEST}").code == 0


@pytest.mark.parametrize("after", [2 * MIB, 11 * MIB, 23 * MIB])
def test_r90_a_pull_goes_on_where_a_killed_one_was(
    *, metered: Metered, registry: str, lading: Run, tmp_path: Path, after: int
) -> None:
    assert lading("blob", "push", f"{registry}/killed/pull", "-", stdin=CONTENT).code == 0
    arguments = ("blob", "pull", f"{metered.address}/killed/pull@{DIGEST}", "-o", "out")
    killed(metered, tmp_path, *arguments, after=after)
    left, before = SIZE - sum(partials(tmp_path)), metered.received
    assert not (tmp_path / "out").exists()
    assert lading(*arguments).code == 0
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert metered.received - before < left + SLACK
    assert partials(tmp_path) == []


@pytest.mark.parametrize("way", ["pull", "copy"])
def test_r90_an_artifact_goes_on_where_a_killed_command_was(
    *, metered: Metered, registry: str, lading: Run, tmp_path: Path, way: str
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    assert lading("push", f"{registry}/killed/artifact:1", "blob").code == 0
    (tmp_path / "blob").unlink()
    source = f"{metered.address}/killed/artifact:1"
    arguments = ("pull", source, "-o", "out") if way == "pull" else ("copy", source, "oci:out:1")
    killed(metered, tmp_path, *arguments, after=SIZE // 2)
    left, before = SIZE - sum(partials(tmp_path / "out")), metered.received
    assert 0 < left < SIZE
    assert lading(*arguments).code == 0
    assert metered.received - before < left + SLACK
    content = tmp_path / "out" / ("blob" if way == "pull" else f"blobs/sha256/{DIGEST.encoded}")
    assert content.read_bytes() == CONTENT
    assert partials(tmp_path / "out") == []


def test_r90_a_copy_goes_on_sending_where_a_killed_one_was(
    metered: Metered, registry: str, lading: Run, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    assert lading("push", f"{registry}/killed/source:1", "blob").code == 0
    arguments = ("copy", f"{registry}/killed/source:1", f"{metered.address}/killed/copied:1")
    killed(metered, tmp_path, *arguments, after=SIZE // 2)
    left, before = SIZE - metered.sent, metered.sent
    assert lading(*arguments).code == 0
    assert metered.sent - before < left + SLACK
    assert lading("verify", f"{registry}/killed/copied:1").code == 0


def test_r01_twenty_cuts_of_a_pull_and_of_a_push(metered: Metered, lading: Run, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    places = [random.Random(seed).randrange(SIZE) for seed in range(20)]  # noqa: S311  # the same in every run
    repository = f"{metered.address}/killed/cut"
    metered.cut_after(*places)
    assert lading("blob", "push", repository, "blob").code == 0
    assert metered.sent < SIZE * 1.5
    before = metered.received
    metered.cut_after(*places)
    assert lading("blob", "pull", f"{repository}@{DIGEST}", "-o", "out").code == 0
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert metered.received - before < SIZE * 1.5
