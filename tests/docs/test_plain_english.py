"""Plain English in the sources: comments, docstrings and strings have none of the phrases below.

CONTRIBUTING.md has the rules. A name in backticks, such as `nobody`, is code and not prose.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "lading"

# A blank stands for any white space, so that a phrase is found across the end of a line.
PHRASES = {
    r"\bwhoever\b": "the thing that acts: the caller, the user, a process",
    r"\bnobody\b": "the thing that acts, negated: no process, not … by any caller",
    r"\bsomebody\b": "the thing that acts: a caller, another process",
    r"\beverybody\b": "all users, every caller",
    r"\banybody\b": "any user, any caller",
    r"\banew\b": "again",
    r"\bbe had\b": "be obtained, be read",
    r"\bcomes? by\b": "is obtained",
    r"\b(?:is|are) no\b": "is not a …, has no …",
    r"\b(?:is|are) (?-i:none)\b": "is not one, does not exist",
    r"\b(?:say|tell) (?:whether|which|what|how)\b": "Return whether …, state …, report …",
    r"\bin vain\b": "without effect, without success",
    r"\bof no use\b": "useless, or what is wrong with it",
    r"\ba fault in lading itself\b": "internal error (please report it)",
    r"\bpage for people\b": "HTML page",
    r"\bmay do this\b": "access denied",
    r"\bno proper\b": "malformed, invalid",
    r"\bit is there, and\b": "exists and …",
    r"\bwhat is to\b": "the thing itself: the content to push, the blobs to copy",
    r"\bis spoken to\b": "is contacted",
    r"\bthat is to say\b": "nothing, or a colon",
    r"\bthereby\b": "so, by this",
    r"\bwherever that is\b": "nothing",
    r"\bat hand\b": "cached, available",
}
OPENINGS = re.compile(r"(?:how|what|where|who|which|whether|why|when)\b", re.IGNORECASE)
OPENING_ADVICE = "begin with a noun phrase that names the concept"

# Names of code, ordinary English, and texts of other programs and of specifications, quoted as they are.
ALLOWED = [
    r"`[^`\n]{1,100}`",
    r"\bthere (?:is|are) no(?:ne)?\b",
    r"\b(?:is|are) no (?:longer|more)\b",
]


def compiled(phrase: str) -> re.Pattern[str]:
    return re.compile(phrase.replace(" ", r"\s+"), re.IGNORECASE)


BANNED = [(compiled(phrase), advice) for phrase, advice in PHRASES.items()]
LEFT_OUT = compiled("|".join(ALLOWED))


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each run of comments."""
    run: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if run and token.start[0] != last + 1:
            yield last - len(run) + 1, "\n".join(run)
            run = []
        run.append(token.string.lstrip("#"))
        last = token.start[0]
    if run:
        yield last - len(run) + 1, "\n".join(run)


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string, docstrings and the text of f-strings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def faults(source: str) -> list[str]:
    """Return `line: 'phrase': use advice` for each phrase that a source has."""
    tree = ast.parse(source)
    found: set[tuple[int, str]] = set()
    if OPENINGS.match(opening := ast.get_docstring(tree) or ""):
        found.add((1, f"{opening.split()[0]!r} begins the docstring of a module: {OPENING_ADVICE}"))
    for start, text in (*comments(source), *strings(tree)):
        prose = LEFT_OUT.sub(lambda allowed: re.sub(r"[^\n]", "`", allowed[0]), text)
        for phrase, advice in BANNED:
            for match in phrase.finditer(prose):
                line = start + prose.count("\n", 0, match.start())
                found.add((line, f"{' '.join(match[0].split())!r}: use {advice}"))
    return [f"{line}: {fault}" for line, fault in sorted(found)]


def folders() -> list[str]:
    return sorted({path.parent.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py")})


@pytest.mark.parametrize("folder", folders())
def test_sources_are_in_plain_english(folder: str) -> None:
    faulty = [
        f"{path.relative_to(SOURCES.parents[1])}:{fault}"
        for path in sorted((SOURCES / folder).glob("*.py"))
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    if faulty:
        pytest.fail("\n".join(["see Prose in CONTRIBUTING.md", *faulty]), pytrace=False)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""What a client stands on."""\n', ["1: 'What' begins the docstring"]),
        ('"""Client."""\n\n\n# The caller may\n# be\n# had.\n', ["5: 'be had': use be obtained"]),
        ("x = 1  # somebody\n", ["1: 'somebody': use"]),
        ('def f():\n    """Return a size.\n\n    It is\n    no number.\n    """\n', ["4: 'is no': use"]),
        ('raise ValueError(f"{x} is none: {y}")\n', ["1: 'is none': use"]),
        ('raise ValueError(\n    "the answer is "\n    "of no use"\n)\n', ["2: 'of no use': use"]),
        ('"""Client."""\n\n\ndef f():\n    """Say whether it is open."""\n', ["5: 'Say whether': use"]),
    ],
)
def test_a_phrase_is_found_in_comments_docstrings_and_strings(source: str, found: list[str]) -> None:
    actual = faults(source)
    assert len(actual) == len(found)
    assert all(fault.startswith(beginning) for fault, beginning in zip(actual, found, strict=True))


@pytest.mark.parametrize(
    "source",
    [
        "nobody = 65534\n",
        '"""Owners: `nobody` is the last one."""\n',
        '"""Session that is no longer open; there is no other, and `size` is None."""\n',
        "# this\n\n# is\nno = 1\n",
    ],
)
def test_names_and_ordinary_english_are_left_alone(source: str) -> None:
    assert not faults(source)
