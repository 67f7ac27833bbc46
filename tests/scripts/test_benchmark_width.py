from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd
from benchmarks.images import SMALL, write_image
from benchmarks.sink import Contents, Service, serve
from benchmarks.width import Task, figures, write_tags

LAYERS = 16


# The config of an image is a blob as well.
@pytest.mark.parametrize(("work", "is_image"), [("pull", True), ("push", True), ("head", False)])
@pytest.mark.parametrize("threads", [1, 2])
def test_items_are_what_the_registry_has_seen_of_a_task(
    tmp_path: Path, work: str, threads: int, is_image: bool
) -> None:
    write_image(tmp_path / "images" / f"image{LAYERS}", [SMALL] * LAYERS)
    write_tags(tmp_path / "images" / "tags", LAYERS)
    crowd = Crowd()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = Service(Contents(tmp_path / "images"), crowd)
        serving = threading.Thread(target=serve, args=(listener, service))
        serving.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        Task(work, address, str(tmp_path), LAYERS, threads, 1).run()
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()
    assert figures(crowd.record())["items"] == threads * (LAYERS + is_image)


def test_what_comes_after_two_seconds_is_told_apart() -> None:
    start = {"under_way": 2.0, "answered": 3, "refused": 1, "items": 1}
    later = {"under_way": 8.0, "answered": 12, "refused": 0, "items": 4}
    idle = {"under_way": 0.0, "answered": 0, "refused": 0, "items": 0}
    found = figures([start] * 20 + [later] * 10 + [idle] * 5)
    assert (found["items"], found["seconds"], found["refused"]) == (60, 3.0, 20)
    assert (found["a second"], found["under way"]) == (20.0, 4.0)
    assert (found["settled a second"], found["settled"]) == (40.0, 8.0)
    assert found["course"] == [2, 2, 2, 2, 8, 8]
    assert figures([start] * 20)["settled"] is None
