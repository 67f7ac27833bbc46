"""Write what the suite has measured into docs/benchmarks.md, and draw it as docs/benchmarks.svg.

python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.far import LINES
from benchmarks.figures import has_wire, median, ratio, shown

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- figures: python -m benchmarks.report -->", "<!-- end of figures -->"
NEAR = ("pull", "push", "push-new", "copy", "many", "resolve", "list", "blob", "blob-tls", "sink-new")
# Two of each line: what many connections help with where each is slow, and what many requests cost far away.
FAR = tuple(f"{name}-{line}" for line in LINES for name in ("pull", "many" if line in {"20ms", "100ms"} else "push"))
DRAWN = (*NEAR, *FAR, "one-50ms-16MB", "four-50ms-16MB", "push-many-20ms", "push-many-100ms", "tags-50ms")

_WIDTH, _LEFT, _BAR, _GAP, _HEAD, _RIGHT = 760, 90, 13, 4, 22, 70
# Colours that can be read on white and on black; text follows the reader's choice.
_STYLE = """text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}
.own{fill:#2f81f7}.other{fill:#8b949e}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"""

Runs = Mapping[str, Sequence[Mapping[str, float]]]


def main() -> None:
    """Write both files."""
    figures: dict[str, Any] = json.loads((RESULTS / "suite.json").read_text(encoding="utf-8"))
    page = ROOT / "docs" / "benchmarks.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables(figures)}\n{END}{after}", encoding="utf-8")
    (ROOT / "docs" / "benchmarks.svg").write_text(picture(figures), encoding="utf-8")


def tables(figures: Mapping[str, Any]) -> str:
    """Return a table for each work, and what ran where."""
    parts = [f"{', '.join(f'{name} {version}' for name, version in figures['clients'].items())}.\n"]
    for work in figures["works"].values():
        runs: Runs = work["runs"]
        requests: Mapping[str, Mapping[str, int]] = work.get("requests", {})
        rounds, machine = max(len(costs) for costs in runs.values()), work["machine"]
        where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory GiB']} GiB, {machine['python']}"
        wire = " wire, MiB | connections |" if has_wire(runs) else ""
        head = f"| | wall, s | to lading | CPU, s | to lading | peak, MiB | server's CPU, s |{wire} requests |"
        parts += [
            f"### {work['title']}\n",
            f"{work['date']}; {where}; medians of {rounds} rounds, written to `{work['written to']}`.\n",
            head,
            "|" + "---|" * (head.count("|") - 1),
            *(_row(name, costs, runs["lading"], requests.get(name), rounds) for name, costs in runs.items()),
            *(f"| {name} | {why} |{' |' * (head.count('|') - 3)}" for name, why in work["left out"].items()),
            "",
            *_commands(work.get("scripts", {})),
        ]
    return "\n".join(parts)


def _commands(scripts: Mapping[str, str]) -> list[str]:
    """Return the commands of clients as a list; none where all are the plain ones."""
    # Braces that a shell gets are four in a template.
    typed = {name: " ".join(command.replace("{{", "{").replace("}}", "}").split()) for name, command in scripts.items()}
    listed = [f"- {name}: `{command}`" for name, command in typed.items()]
    return ["Each by a command of its own:\n", *listed, ""] if listed else []


def _row(
    name: str,
    costs: Sequence[Mapping[str, float]],
    own: Sequence[Mapping[str, float]],
    requests: Mapping[str, int] | None,
    rounds: int,
) -> str:
    cells = [
        name if len(costs) == rounds else f"{name} ({len(costs)} of {rounds} rounds)",
        f"{median(costs, 'wall'):.3f}",
        f"{ratio(costs, own, 'wall'):.2f}",
        f"{median(costs, 'cpu'):.3f}",
        f"{ratio(costs, own, 'cpu'):.2f}",
        f"{median(costs, 'mebibytes'):.0f}",
        f"{median(costs, 'server'):.2f}",
        *([f"{median(costs, 'wire'):.2f}", f"{median(costs, 'connections'):.0f}"] if "wire" in costs[0] else []),
        shown(requests),
    ]
    return f"| {' | '.join(cells)} |"


def picture(figures: Mapping[str, Any]) -> str:
    """Draw wall time as bars, those of one work to the scale of its longest."""
    lines: list[str] = []
    y = 6
    for name in DRAWN:
        work = figures["works"].get(name)
        if work is None:
            continue
        clients = {client: median(costs, "wall") for client, costs in work["runs"].items() if "alone" not in client}
        y += _HEAD
        lines.append(f'<text class="title" x="0" y="{y - 6}">{escape(work["title"])}</text>')
        for client, seconds in clients.items():
            width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * seconds / max(clients.values()))
            kind = "own" if client == "lading" else "other"
            lines += [
                f'<text x="{_LEFT - 8}" y="{y + _BAR - 2}" text-anchor="end">{escape(client)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
                f'<text x="{_LEFT + width + 6:.1f}" y="{y + _BAR - 2}">{seconds:.2f} s</text>',
            ]
            y += _BAR + _GAP
        y += _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" role="img">'
    )
    label = "<title>Wall time of lading and of other clients at the same works; shorter is better</title>"
    return "\n".join([head, label, f"<style>{_STYLE}</style>", *lines, "</svg>", ""])


if __name__ == "__main__":
    main()
