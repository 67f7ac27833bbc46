"""Write src/lading/_core/exchange/public_suffixes.py: the rules of the public suffix list.

    python scripts/public_suffixes.py           write the module
    python scripts/public_suffixes.py --check   exit 1 if the module is not current

The list is that of the package `publicsuffixlist`, whose version `pyproject.toml` pins in the group `lint`: a new
version there brings new rules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = Path("src/lading/_core/exchange/public_suffixes.py")
HEAD = '''# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.
#
# Written by scripts/public_suffixes.py from https://publicsuffix.org/list/public_suffix_list.dat
# Version: {version}
# Commit of github.com/publicsuffix/list: {commit}
"""Rules of the public suffix list: names directly below which others have their domains.

Of the list's first section, of registries of domains, rules with one label are left out: they are the default.
"""

from __future__ import annotations

from typing import Final

RULES: Final = """
{rules}
"""
"""Rules in ASCII, one in a line: `co.uk`, `*.run.app` for each name below it, `!city.kobe.jp` for an exception."""
'''


def module(text: str) -> str:
    """Return the module for the text of the list. Raises `ValueError` for a text that is not the list."""
    icann, marker, private = text.partition("// ===BEGIN PRIVATE DOMAINS===")
    version = re.search(r"^// VERSION: (\S+)$", text, re.MULTILINE)
    commit = re.search(r"^// COMMIT: ([0-9a-f]{40})$", text, re.MULTILINE)
    if not marker or version is None or commit is None:
        raise ValueError("the text has no version, no commit or no private section: is this the public suffix list?")
    rules = {*(rule for rule in _rules(icann) if "." in rule or rule[0] in "*!"), *_rules(private)}
    # By their last labels, so that the rules of one owner stand together.
    ordered = sorted(rules, key=lambda rule: rule.lstrip("!").split(".")[::-1])
    return HEAD.format(version=version[1], commit=commit[1], rules="\n".join(ordered))


def _rules(section: str) -> Iterator[str]:
    for line in section.splitlines():
        words = line.split()
        if words and not words[0].startswith("//"):
            yield ".".join(label if label in {"*", ""} else _ascii(label) for label in words[0].lower().split("."))


def _ascii(label: str) -> str:
    mark = "!" if label.startswith("!") else ""
    return mark + label.removeprefix("!").encode("idna").decode("ascii")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run the script."""
    text = module(files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text(encoding="utf-8"))
    path = root / MODULE
    if "--check" not in arguments:
        path.write_text(text, encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        print(f"{MODULE} is not current: python scripts/public_suffixes.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
