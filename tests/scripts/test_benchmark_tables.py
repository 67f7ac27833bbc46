from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.clients import CLIENTS
from benchmarks.figures import printed
from benchmarks.report import picture, tables
from benchmarks.running import Measured

RUN = {"wall": 2.0, "cpu": 1.0, "mebibytes": 30.0, "server": 0.5}
MACHINE = {"processor": "P", "cores": 2, "memory GiB": 23, "python": "CPython 3.13"}


def rows(**work: Any) -> list[str]:
    """Return the rows of a table of two clients and of one that is left out."""
    runs = {"lading": [RUN], "crane": [{**RUN, "wall": 3.0}]}
    given = {"title": "(a) pull", "date": "2026-11-22", "written to": "/dev/shm", "left out": {"oras": "cannot"}}
    works = {"pull": {**given, "machine": MACHINE, "runs": runs, **work}}
    figures = {"clients": {"lading": "1"}, "works": works}
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


def test_bytes_and_connections_are_shown_where_a_relay_counted_them() -> None:
    far = {"lading": [{**RUN, "wire": 12.5, "connections": 4}], "crane": [{**RUN, "wire": 12.75, "connections": 5}]}
    found = rows(runs=far, requests={"lading": {"GET": 5}})
    assert found[0].endswith("| server's CPU, s | wire, MiB | connections | requests |")
    assert found[2:4] == [
        "| lading | 2.000 | 1.00 | 1.000 | 1.00 | 30 | 0.50 | 12.50 | 4 | 5 (GET 5) |",
        "| crane | 2.000 | 1.00 | 1.000 | 1.00 | 30 | 0.50 | 12.75 | 5 |  |",
    ]
    assert {row.count("|") for row in found} == {11}


def test_a_work_is_printed_with_what_a_relay_counted() -> None:
    near = Measured("pull", "(a) pull", "/", {"lading": [RUN]}, {"lading": {"GET": 5}}, {"oras": "cannot"})
    assert printed(near).splitlines()[2:] == [
        "                   wall s  ratio    CPU s  ratio    MiB  server s  requests",
        "lading              2.000   1.00    1.000   1.00     30      0.50  5 (GET 5)",
        "oras            cannot",
    ]
    far = replace(near, runs={"lading": [{**RUN, "wire": 12.5, "connections": 4}]})
    assert printed(far).splitlines()[2:4] == [
        "                   wall s  ratio    CPU s  ratio    MiB  server s  wire MiB  conns  requests",
        "lading              2.000   1.00    1.000   1.00     30      0.50     12.50      4  5 (GET 5)",
    ]


def test_every_work_that_is_drawn_has_a_bar_for_each_client() -> None:
    work = {"title": "T & U", "runs": {"lading": [RUN], "crane": [RUN], "SHA-256 alone": [RUN]}}
    drawn = picture({"works": {"pull": work, "many-20ms": work, "resolve-20ms": work}})
    assert (drawn.count("T &amp; U"), drawn.count("<rect")) == (2, 4)


def test_a_client_that_took_part_in_fewer_rounds_is_compared_in_those_and_named() -> None:
    runs = {"lading": [RUN, {**RUN, "wall": 1.0}, {**RUN, "wall": 1.0}], "crane": [{**RUN, "wall": 3.0}]}
    found = rows(runs=runs)
    assert found[2].startswith("| lading | 1.000 | 1.00 |")
    assert found[3].startswith("| crane (1 of 3 rounds) | 3.000 | 1.50 |")


def test_commands_of_shells_are_listed_as_they_are_typed() -> None:
    runs = {"lading": [RUN]}
    work = {"title": "T", "date": "", "written to": "/", "left out": {}, "machine": MACHINE, "runs": runs}
    scripts = {"skopeo": "skopeo list-tags {name} | xargs  -I TAG skopeo inspect --format {{{{.Digest}}}} {name}:TAG"}
    page = tables({"clients": {}, "works": {"tags": {**work, "scripts": scripts}}})
    assert "- skopeo: `skopeo list-tags {name} | xargs -I TAG skopeo inspect --format {{.Digest}} {name}:TAG`" in page


def test_lading_is_told_options_in_every_command_that_asks_a_registry() -> None:
    told = CLIENTS[0].told("--ranges 8")
    assert (told.name, told.path()) == ("lading --ranges 8", CLIENTS[0].path())
    assert told.commands["blob"].startswith("lading blob pull --ranges 8 ")
    assert told.commands["tags"].count(" --ranges 8") == 2
    assert told.commands["start"] == CLIENTS[0].commands["start"]
