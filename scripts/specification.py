"""Write docs/specification.md: every rule of the specification, where the code obeys it and which tests prove it.

    python scripts/specification.py           write the page
    python scripts/specification.py --check   name what is wrong, and whether the page is current; exit 1 if anything is

The rules are in docs/specification.toml. A test names those that it proves: `@pytest.mark.spec("end-8b.link")`. A rule
that has neither a test nor a reason to be waived is a gap, and a gap is an error.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = Path("docs/specification.toml")
PAGE = Path("docs/specification.md")
PACKAGE = Path("src/lading")
TESTS = Path("tests")

ROLES = ("client", "registry")
LEVELS = ("endpoint", "extension", "MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "note", "implied")
SPECIFICATION = "https://github.com/opencontainers/distribution-spec/blob/main/spec.md"
EXTENSIONS = "https://github.com/opencontainers/distribution-spec/tree/main/extensions"
HEAD = f"""# The specification, rule by rule

Every rule of the [OCI Distribution Specification]({SPECIFICATION}) for clients and for registries, release 1.1.1 and
the main branch (rules that are new there are marked), in our own words, with the code that obeys it and the tests that
prove it. Written by `scripts/specification.py` from `specification.toml` and the markers of the tests; `make lint`
fails when a rule has no test or this page is not current.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the specification; docs/specification.toml says what the fields mean."""

    id: str
    role: str
    level: str
    section: str
    text: str
    code: Sequence[str] = ()
    since: str = ""
    waived: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """A test function, and the rules that its markers name."""

    path: Path
    name: str
    rules: Sequence[str]


def read_rules(root: Path) -> list[Rule]:
    """Read the list of rules."""
    table = tomllib.loads((root / RULES).read_text(encoding="utf-8"))
    return [Rule(**entry) for entry in table["rule"]]


def read_tests(root: Path) -> Iterator[Test]:
    """Read the markers of every test, without importing it."""
    for path in sorted((root / TESTS).rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                rules = [rule for decorator in node.decorator_list for rule in _named(decorator)]
                if rules:
                    yield Test(path.relative_to(root), node.name, rules)


def _named(decorator: ast.expr) -> Iterator[str]:
    """Return the rules in a decorator: `pytest.mark.spec(…)` itself, or as the `marks` of a parameter."""
    for node in ast.walk(decorator):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec":
            for argument in node.args:
                yield str(ast.literal_eval(argument))


def mistakes(root: Path, rules: Sequence[Rule], tests: Iterable[Test]) -> Iterator[str]:
    """Name what is wrong with the rules and the markers."""
    proven: Counter[str] = Counter()
    known = {rule.id for rule in rules}
    for test in tests:
        proven.update(test.rules)
        yield from (f"{test.path}: {test.name}: there is no rule {name}" for name in test.rules if name not in known)
    for name, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            yield f"{name}: the id is used {count} times"
    for rule in rules:
        yield from (f"{rule.id}: {fault}" for fault in _faults(root, rule, proven=bool(proven[rule.id])))


def _faults(root: Path, rule: Rule, *, proven: bool) -> Iterator[str]:
    if rule.role not in ROLES or rule.level not in LEVELS:
        yield f"{rule.role} and {rule.level} are no role and level"
    if not proven and not rule.waived:
        yield "no test proves it"
    if proven and rule.waived:
        yield "it is waived, and a test proves it"
    if not rule.code and not rule.waived:
        yield "no code obeys it"
    for place in rule.code:
        if not _exists(root / PACKAGE, place):
            yield f"there is no {place}"


def _exists(package: Path, place: str) -> bool:
    """Say whether there is such a module, and the name in it if one is given: a function, a class, or its method."""
    module, _, name = place.partition(":")
    path = package / module
    if not path.is_file():
        return False
    nodes: Iterable[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    for part in filter(None, name.split(".")):
        nodes = [child for node in nodes for child in ast.iter_child_nodes(node) if part in _defined(child)]
    return bool(nodes)


def _defined(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign(targets=targets):
            return {ast.unparse(target) for target in targets}
        case ast.AnnAssign(target=target):
            return {ast.unparse(target)}
        case _:
            return set()


def page(rules: Sequence[Rule], tests: Iterable[Test]) -> str:
    """Write the page."""
    proofs: defaultdict[str, list[Test]] = defaultdict(list)
    for test in tests:
        for name in dict.fromkeys(test.rules):
            proofs[name].append(test)
    parts = [HEAD, _summary(rules)]
    for section, group in groupby(rules, lambda rule: rule.section):
        rows = "\n".join(_row(rule, proofs[rule.id]) for rule in group)
        parts.append(
            f"## {_heading(section)}\n\n| rule | for | level | text | code | tests |\n|---|---|---|---|---|---|"
        )
        parts[-1] += f"\n{rows}\n"
    return "\n".join(parts)


def _summary(rules: Sequence[Rule]) -> str:
    count: Counter[str] = Counter(rule.role for rule in rules)
    waived = sum(bool(rule.waived) for rule in rules)
    return (
        f"{len(rules)} rules: {count['client']} for clients, {count['registry']} for registries. "
        f"{waived} of them are waived, each with its reason.\n"
    )


def _heading(section: str) -> str:
    if section == "Extensions":
        return f"[{section}]({EXTENSIONS})"
    # As GitHub makes anchors of headings.
    anchor = re.sub(r"[^a-z0-9 _-]", "", section.lower()).replace(" ", "-")
    return f"[{section}]({SPECIFICATION}#{anchor})"


def _row(rule: Rule, proofs: Sequence[Test]) -> str:
    level = f"{rule.level} (main)" if rule.since else rule.level
    code = "<br>".join(_code(place) for place in rule.code)
    tests = f"waived: {rule.waived}" if rule.waived else "<br>".join(_test(test) for test in proofs)
    return f"| `{rule.id}` | {rule.role} | {level} | {rule.text} | {code} | {tests} |"


def _code(place: str) -> str:
    module, _, name = place.partition(":")
    return f"[{name or module}](../{PACKAGE.as_posix()}/{module})"


def _test(test: Test) -> str:
    return f"[{test.name.removeprefix('test_')}](../{test.path.as_posix()})"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run the script."""
    rules, tests = read_rules(root), list(read_tests(root))
    text = page(rules, tests)
    wrong = list(mistakes(root, rules, tests))
    if "--check" not in arguments:
        (root / PAGE).write_text(text, encoding="utf-8")
    elif not (root / PAGE).is_file() or (root / PAGE).read_text(encoding="utf-8") != text:
        wrong.append(f"{PAGE} is not current: python scripts/specification.py")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
