"""Many processes copy into one layout, and some are killed: nothing is lost, nothing half there (threats 4.6)."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lading import Client
from lading.stores.garbage_collection import collect
from lading.stores.layout import Layout
from tests.cli.process import environment
from tests.support.corpus import Corpus

PROCESSES, TAGS, KILLED = 16, 50, 5
WRITER = """
import sys
from lading import Client

source, destination, number, tags = sys.argv[1:]
with Client() as client:
    print("ready", flush=True)
    sys.stdin.readline()
    for tag in range(int(tags)):
        client.copy(f"oci:{source}:v{tag % 5}", f"oci:{destination}:p{number}-t{tag}")
        print(tag, flush=True)
"""


def test_sixteen_processes_write_fifty_tags_each_and_five_are_killed(tmp_path: Path) -> None:
    made = Corpus()
    for number in range(5):
        made.tags[f"v{number}"] = made.index(made.image(f"image {number}"))
    made.write_layout(tmp_path / "source")
    destination = tmp_path / "destination"
    arguments = [sys.executable, "-c", WRITER, str(tmp_path / "source"), str(destination)]
    with ExitStack() as running:
        writers = [running.enter_context(started([*arguments, str(number), str(TAGS)])) for number in range(PROCESSES)]
        told = run(writers)
    for writer in writers[KILLED:]:
        assert writer.returncode == 0
    expected = {f"p{number}-t{tag}" for number, tags in told.items() for tag in tags}
    assert len(expected) >= (PROCESSES - KILLED) * TAGS
    check(destination, expected)

    list(collect(Layout.open(destination), grace=0))
    check(destination, expected)
    with Client() as client:
        again = client.copy(f"oci:{tmp_path / 'source'}:v0", f"oci:{destination}:again")
        assert again.moved == 1  # the manifest, for its new tag
    assert not [path for path in destination.iterdir() if path.name.endswith(".part")]


@contextmanager
def started(command: list[str]) -> Generator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(writers: list[subprocess.Popen[str]]) -> dict[int, list[str]]:
    """Start them together, kill some at any point of their work, and return which tags each said were done."""
    chance = random.Random(random.getrandbits(32))  # noqa: S311  # pytest-randomly prints the seed, and takes it again
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    told: dict[int, list[str]] = {}
    for number, writer in enumerate(writers[:KILLED]):
        assert writer.stdout is not None
        told[number] = [writer.stdout.readline().strip() for _ in range(chance.randrange(1, TAGS // 2))]
        writer.send_signal(signal.SIGKILL)
        told[number] += writer.stdout.read().split()
    for number, writer in enumerate(writers[KILLED:], KILLED):
        assert writer.stdout is not None
        told[number] = writer.stdout.read().split()
        writer.wait()
    return told


def check(path: Path, expected: set[str]) -> None:
    """Look at the layout as somebody would who does not know lading."""
    for blob in path.glob("blobs/*/*"):
        assert hashlib.new(blob.parent.name, blob.read_bytes()).hexdigest() == blob.name
    entries = json.loads((path / "index.json").read_bytes())["manifests"]
    tags = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]
    assert len(tags) == len(set(tags))
    assert expected <= set(tags)
    for entry in entries:
        for digest in named(path, entry["digest"]):
            assert (path / "blobs" / digest.replace(":", "/")).exists()


def named(path: Path, digest: str) -> Iterator[str]:
    document = json.loads((path / "blobs" / digest.replace(":", "/")).read_bytes())
    for entry in document.get("manifests", []):
        yield entry["digest"]
        yield from named(path, entry["digest"])
    for entry in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
        yield entry["digest"]
