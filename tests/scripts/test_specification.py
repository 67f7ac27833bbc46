from __future__ import annotations

from pathlib import Path

import pytest

from scripts import specification

RULE = """
[[rule]]
id = "end-1.client"
role = "client"
level = "endpoint"
section = "Determining Support"
text = "Ask."
code = ["ping.py:Registry.ping"]
"""
CODE = "class Registry:\n    def ping(self): ...\n"
TEST = '@pytest.mark.spec("end-1.client")\ndef test_ping(): ...\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a project of one rule, one test and one function."""
    write(tmp_path, "docs/specification.toml", RULE)
    write(tmp_path, "src/lading/ping.py", CODE)
    write(tmp_path, "tests/test_ping.py", TEST)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def complaints(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Write the page, which is written whatever is wrong, and return what is said to be."""
    status = specification.main([], root)
    said = capsys.readouterr().err.splitlines()
    assert status == bool(said)
    return said


def test_a_rule_with_code_and_test_is_fine(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complaints(root, capsys) == []
    page = (root / "docs/specification.md").read_text(encoding="utf-8")
    assert "[ping](../tests/test_ping.py)" in page
    assert "[Registry.ping](../src/lading/ping.py)" in page
    assert specification.main(["--check"], root) == 0


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("tests/test_ping.py", "def test_ping(): ...\n", "end-1.client: no test proves it"),
        (
            "tests/test_ping.py",
            TEST + TEST.replace("end-1.client", "end-1.x"),
            "tests/test_ping.py: test_ping: there is no rule end-1.x",
        ),
        (
            "docs/specification.toml",
            RULE + 'waived = "no"\n',
            "end-1.client: it is waived, and a test proves it",
        ),
        ("docs/specification.toml", RULE * 2, "end-1.client: the id is used 2 times"),
        (
            "docs/specification.toml",
            RULE.replace('"client"', '"nobody"'),
            "end-1.client: nobody and endpoint are no role and level",
        ),
        ("docs/specification.toml", RULE.partition("code")[0], "end-1.client: no code obeys it"),
        ("src/lading/ping.py", "class Registry: ...\n", "end-1.client: there is no ping.py:Registry.ping"),
    ],
    ids=["gap", "unknown", "waived", "twice", "role", "no code", "code gone"],
)
def test_what_is_wrong_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, complaint: str
) -> None:
    write(root, path, text)
    assert complaint in complaints(root, capsys)


def test_a_waived_rule_needs_neither_code_nor_test(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "docs/specification.toml", RULE.partition("code")[0] + 'waived = "It is not for us."\n')
    write(root, "tests/test_ping.py", "")
    assert complaints(root, capsys) == []
    assert "waived: It is not for us." in (root / "docs/specification.md").read_text(encoding="utf-8")


def test_a_marker_of_one_parameter_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marked = 'pytest.param(1, marks=pytest.mark.spec("end-1.client"))'
    write(root, "tests/test_ping.py", f'@pytest.mark.parametrize("x", [{marked}])\nasync def test_ping(x): ...\n')
    assert complaints(root, capsys) == []


def test_a_page_that_is_not_current_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert specification.main(["--check"], root) == 1
    assert "not current" in capsys.readouterr().err
    specification.main([], root)
    write(root, "tests/test_ping.py", TEST.replace("test_ping", "test_other"))
    assert specification.main(["--check"], root) == 1
    assert capsys.readouterr().err == "docs/specification.md is not current: python scripts/specification.py\n"
