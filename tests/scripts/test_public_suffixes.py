from __future__ import annotations

from typing import Any

import pytest

from lading._core.exchange import public_suffixes
from scripts.public_suffixes import module

LIST = """// VERSION: 2026-01-02_03-04-05_UTC
// COMMIT: 0123456789abcdef0123456789abcdef01234567
// ===BEGIN ICANN DOMAINS===

// cn : a comment
cn
com.cn
公司.cn   and what follows a blank
*.ck
!www.ck
*
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
// Acme : https://acme.example
acme
Shared.Example
*.deep.example
shared.example
// ===END PRIVATE DOMAINS===
"""


def rules(text: str) -> list[str]:
    names: dict[str, Any] = {}
    exec(module(text), names)  # noqa: S102  # the module that the script writes
    found: list[str] = names["RULES"].split("\n")
    assert (found[0], found[-1]) == ("", "")
    return found[1:-1]


def test_rules_are_written_in_ascii_once_and_without_those_of_one_label() -> None:
    assert rules(LIST) == [
        "*",
        "acme",
        "*.ck",
        "!www.ck",
        "com.cn",
        "xn--55qx5d.cn",
        "*.deep.example",
        "shared.example",
    ]


def test_the_module_says_which_list_it_is_and_under_which_licence() -> None:
    text = module(LIST)
    assert "# Version: 2026-01-02_03-04-05_UTC\n" in text
    assert "0123456789abcdef0123456789abcdef01234567" in text
    assert "Mozilla Public\n# License, v. 2.0" in text


@pytest.mark.parametrize("text", ["", "<html>", LIST.replace("VERSION", "X"), LIST.replace("PRIVATE", "X")])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is this the public suffix list"):
        module(text)


def test_the_rules_are_ascii_and_in_one_form() -> None:
    found = public_suffixes.RULES.split("\n")[1:-1]
    assert len(found) > 5000
    assert all(rule.isascii() and rule == rule.strip().lower() and ".." not in rule for rule in found)
