from __future__ import annotations

from typing import Any

from benchmarks.report import tables

RUN = {"wall": 2.0, "cpu": 1.0, "mebibytes": 30.0, "server": 0.5}
MACHINE = {"processor": "P", "cores": 2, "memory GiB": 23, "python": "CPython 3.13"}


def rows(**work: Any) -> list[str]:
    """Return the rows of a table of two clients and of one that is left out."""
    runs = {"lading": [RUN], "crane": [{**RUN, "wall": 3.0}]}
    given = {"title": "(a) pull", "date": "2026-11-22", "written to": "/dev/shm", "left out": {"oras": "cannot"}}
    figures = {"machine": MACHINE, "clients": {"lading": "1"}, "works": {"pull": {**given, "runs": runs, **work}}}
    return [line for line in tables(figures).splitlines() if line.startswith("|")]


def test_requests_are_shown_in_all_and_by_method() -> None:
    found = rows(requests={"lading": {"GET": 5, "HEAD": 2}, "crane": {}})
    assert found[0].endswith("| server's CPU, s | requests |")
    assert found[2:4] == [
        "| lading | 2.000 | 1.00 | 1.000 | 1.00 | 30 | 0.50 | 7 (GET 5, HEAD 2) |",
        "| crane | 3.000 | 1.50 | 1.000 | 1.00 | 30 | 0.50 | 0 |",
    ]
    assert {row.count("|") for row in found} == {9}


def test_figures_from_before_requests_were_counted_have_none() -> None:
    assert rows()[2] == "| lading | 2.000 | 1.00 | 1.000 | 1.00 | 30 | 0.50 |  |"
