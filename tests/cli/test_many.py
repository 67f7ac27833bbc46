"""Commands about many tags or references: each failure is told, and the others are done."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from lading.testing import Refuse, Say, serving
from tests.cli import process
from tests.cli.process import SECONDS, Run, command
from tests.support.images import image, write_layout
from tests.support.pull_limits import PullLimit
from tests.support.systems import SIGNALS


@pytest.fixture
def source(tmp_path: Path, lading: Run) -> str:
    """A layout with the tags a, b and c, each of an image of its own."""
    for tag in "abc":
        write_layout(tmp_path / tag, image(tag), tag)
        assert lading("copy", f"oci:{tag}:{tag}", f"oci:source:{tag}").code == 0
    return "oci:source"


def damage(tmp_path: Path, *tags: str) -> None:
    """Remove the layers of some images."""
    for tag in tags:
        for blob in (tmp_path / tag / "blobs" / "sha256").iterdir():
            if blob.read_bytes().startswith(b"\x1f\x8b"):  # gzip
                (tmp_path / "source" / "blobs" / "sha256" / blob.name).unlink()


def test_copy_all_tags_tells_each_failure_and_does_the_others(lading: Run, source: str, tmp_path: Path) -> None:
    damage(tmp_path, "a")
    done = lading("copy", source, "oci:copy", "--all-tags")
    assert [line.partition("  ")[2] for line in done.lines] == ["b", "c"]
    assert done.code == 3
    assert [line.startswith("lading: tag a: cannot ") for line in done.stderr.splitlines()] == [True]
    assert lading("tags", "oci:copy").lines == ["b", "c"]


def test_copy_all_tags_prints_failures_as_records(lading: Run, source: str, tmp_path: Path) -> None:
    damage(tmp_path, "b")
    done = lading("copy", source, "oci:copy", "--all-tags", "--json")
    rows = [json.loads(line) for line in done.lines]
    assert [(row["tags"], "error" in row) for row in rows] == [(["a"], False), (["b"], True), (["c"], False)]
    assert rows[1]["error"] in done.stderr


def test_copy_all_tags_stops_at_the_first_failure_if_asked(lading: Run, source: str, tmp_path: Path) -> None:
    damage(tmp_path, "b")
    done = lading("copy", source, "oci:copy", "--all-tags", "--fail-fast")
    assert (done.code, [line.partition("  ")[2] for line in done.lines]) == (3, ["a"])
    assert lading("tags", "oci:copy").lines == ["a"]


def test_fail_fast_is_for_many_tags(lading: Run) -> None:
    assert lading("copy", "oci:a:1", "oci:b:1", "--fail-fast").refused(2, "--fail-fast needs --all-tags")


def test_the_exit_code_is_the_common_one_of_the_failures(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "registry") as registry:
        app = f"{registry.name}/acme/app"
        assert lading("copy", source, app, "--all-tags").code == 0
        registry.order(Refuse("DENIED"), "GET /v2/acme/app/manifests/a")
        registry.order(Refuse("DENIED"), "GET /v2/acme/app/manifests/b", times=1)
        assert lading("copy", app, "oci:one", "--all-tags").code == 4
        registry.order(Say.text(404, "no"), "GET /v2/acme/app/manifests/b")
        assert lading("copy", app, "oci:two", "--all-tags").code == 1


def test_an_archive_without_one_of_the_tags_is_not_written(lading: Run, source: str, tmp_path: Path) -> None:
    damage(tmp_path, "a", "c")
    done = lading("copy", source, "oci-archive:copy.tar", "--all-tags")
    assert done.refused(3, "tag a: ")
    assert "tag c: " in done.stderr
    assert not (tmp_path / "copy.tar").exists()


def test_a_dry_run_of_many_tags_prints_every_plan(lading: Run, source: str, tmp_path: Path) -> None:
    done = lading("copy", source, "oci:copy", "--all-tags", "--dry-run")
    assert (done.code, len([line for line in done.lines if "to push" in line])) == (0, 3)
    assert not (tmp_path / "copy").exists()


def test_resolve_prints_failures_as_records(lading: Run, source: str) -> None:
    done = lading("resolve", f"{source}:a", f"{source}:x", f"{source}:c", "--json")
    rows = [json.loads(line) for line in done.lines]
    assert done.code == 3
    assert [(row["reference"], "error" in row) for row in rows] == [
        (f"{source}:a", False),
        (f"{source}:x", True),
        (f"{source}:c", False),
    ]


def test_resolve_stops_at_the_first_failure_if_asked(lading: Run, source: str) -> None:
    wanted = (f"{source}:a", f"{source}:x", f"{source}:y", f"{source}:c")
    assert len(lading("resolve", *wanted).lines) == 2
    done = lading("resolve", *wanted, "--fail-fast")
    assert (done.code, len(done.lines), len(done.stderr.splitlines())) == (3, 1, 1)


@SIGNALS
def test_an_interrupted_copy_of_tags_tells_what_was_done(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "registry") as registry:
        app = f"{registry.name}/acme/app"
        assert lading("copy", source, app, "--all-tags").code == 0
        registry.order(Say.text(429, "wait", {"Retry-After": "25"}), "GET /v2/acme/app/manifests/b")
        arguments = command("copy", app, "oci:copy", "--all-tags")
        with subprocess.Popen(
            arguments, cwd=tmp_path, env=process.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as copying:
            assert copying.stdout is not None
            first = copying.stdout.readline()  # flushed as soon as the tag is copied
            copying.send_signal(signal.SIGINT)
            out, err = copying.communicate(timeout=SECONDS)
    assert first.endswith(b"  a\n")
    assert (copying.returncode, out) == (130, b"")
    assert b"1 tags were copied before the interrupt" in err


def test_a_floor_of_pulls_ends_the_other_tags_at_once(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "from") as hub, serving(tmp_path / "to") as there:
        assert lading("copy", source, f"{hub.name}/acme/app", "--all-tags").code == 0
        limit = PullLimit(61)
        hub.order(limit, "* /v2/*/manifests/*")
        copy = ("copy", f"{hub.name}/acme/app", f"{there.name}/acme/app", "--all-tags", "--floor", "60")
        done = lading(*copy)
        assert (done.code, [line.partition("  ")[2] for line in done.lines]) == (1, ["a"])
        warning, *errors = done.stderr.splitlines()
        why = f"{hub.name} has 60 pulls left of 61 in 21600 s, and the floor is 60"
        assert warning == f"lading: warning: {why}: pulls end at once"
        assert [line.partition(": cannot ")[0] for line in errors] == ["lading: tag b", "lading: tag c"]
        assert all(line.endswith(f"not sent: {why}") for line in errors)
        assert (limit.left, limit.refused) == (60, 0)


def test_a_host_that_asks_for_a_long_wait_is_asked_once(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "from") as busy:
        assert lading("copy", source, f"{busy.name}/acme/app", "--all-tags").code == 0
        busy.order(Say(429, headers={"Retry-After": "3600"}), "* /v2/*/manifests/*")
        busy.requests.clear()
        done = lading("copy", f"{busy.name}/acme/app", "oci:copy", "--all-tags")
        assert (done.code, done.lines) == (1, [])
        warning, *lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("lading: ")]
        assert warning.startswith(f"lading: warning: {busy.name} wants no requests until ")
        assert [" until " in line for line in errors] == [True, True, True]
        assert [line.partition(":")[2].partition(":")[0] for line in errors] == [" tag a", " tag b", " tag c"]
        assert [each.method for each in busy.requests if "/manifests/" in each.target] == ["GET"]


def test_records_of_refused_pulls_say_until_when(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "from") as hub, serving(tmp_path / "to") as there:
        assert lading("copy", source, f"{hub.name}/acme/app", "--all-tags").code == 0
        limit = PullLimit(0)
        hub.order(limit, "* /v2/*/manifests/*")
        done = lading("copy", f"{hub.name}/acme/app", f"{there.name}/acme/app", "--all-tags", "--json")
        rows = [json.loads(line) for line in done.lines]
        assert (done.code, [row["tags"] for row in rows]) == (1, [["a"], ["b"], ["c"]])
        (until,) = {row["until"] for row in rows}
        assert f"until {until[11:]}" in rows[0]["error"]
        assert limit.refused == 1


def test_unchanged_tags_cost_no_pull(lading: Run, source: str, tmp_path: Path) -> None:
    with serving(tmp_path / "from") as hub, serving(tmp_path / "to") as there:
        assert lading("copy", source, f"{hub.name}/acme/app", "--all-tags").code == 0
        copy = ("copy", f"{hub.name}/acme/app", f"{there.name}/acme/app", "--all-tags")
        first = lading(*copy)
        hub.requests.clear()
        again = lading(*copy)
        assert (again.code, again.lines) == (0, first.lines)
        assert [each.method for each in hub.requests if "/manifests/" in each.target] == ["HEAD"] * 3
