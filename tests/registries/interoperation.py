"""How docs/interoperation.md is read and written: a table for each direction, a row a form, a column a program."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from tests.registries.forms import FORMS, Form
from tests.support.peers import PEERS, Peer

PAGE = Path(__file__).parent.parent.parent / "docs" / "interoperation.md"

Direction: TypeAlias = Literal["read", "written"]
DIRECTIONS: tuple[Direction, ...] = ("read", "written")
Cells: TypeAlias = dict[tuple[Direction, str, str], str]
"""What was found, by direction, form and program."""

_HEAD = """# What other programs exchange with lading

Content of every form goes through a layout or an archive from lading to a program of another project, and from there
back: `tests/registries/test_interoperation.py` does it and compares every byte. It fails when this page does not hold,
and writes it (`pytest tests/registries --write-tables -n0`). The programs are skopeo 1.19.0, umoci 0.4.7, crane 0.22.1,
oras 1.3.0 and regctl 0.11.7; and lading itself, as a process of its own.

*Identical* means that the digest and every byte of all manifests, configs and blobs are the same at the end of the
way. A dash stands for what a program has no command for.
"""
_TITLES: dict[Direction, str] = {
    "read": """
## lading writes, and they read

The place is written by `lading copy`, and the program copies what is there to a registry. umoci, which knows no
registries, gives the manifest a second tag and then collects garbage.

""",
    "written": """
## They write, and lading reads

The program copies from a registry to the place, and `lading copy` takes it from there. umoci makes an image of its own.

""",
}
_FOOT = """
A `docker-archive:` has no manifest, so that reading one makes a manifest anew. skopeo keeps layers there uncompressed.
umoci takes for garbage what only manifests of Docker's media types name.

Nothing in the specification says where the referrers of a manifest stand in a layout. lading and oras keep them as
entries of `index.json` without a name. regctl keeps and finds them in an index tagged `sha256-…`, as in a registry
without referrers; lading finds those as well.
"""


def read_page() -> Cells:
    """Read what the page says."""
    cells: Cells = {}
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    for direction in DIRECTIONS:
        part = text.partition(_TITLES[direction])[2].partition("\n\n")[0]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
        for row in rows[2:]:
            cells |= {(direction, row[0], program): cell for program, cell in zip(rows[0][1:], row[1:], strict=True)}
    return cells


def write_cell(direction: Direction, form: Form, peer: type[Peer], outcome: str) -> None:
    """Change one cell of the page."""
    cells = read_page()
    cells[direction, form.title, peer.name] = outcome
    PAGE.write_text(_HEAD + "".join(_table(each, cells) for each in DIRECTIONS) + _FOOT, encoding="utf-8")


def _table(direction: Direction, cells: Cells) -> str:
    names = [peer.name for peer in PEERS]
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows += [[form.title, *(cells.get((direction, form.title, name), "?") for name in names)] for form in FORMS]
    return _TITLES[direction] + "".join(f"| {' | '.join(row)} |\n" for row in rows)
