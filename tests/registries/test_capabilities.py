"""docs/registries.md says what each registry supports: here it is tried out, and the page is written."""

from __future__ import annotations

from collections.abc import Callable

from tests.registries.conftest import REGISTRIES
from tests.support.capabilities import PROBES, TABLE, read_table, write_table


def test_the_table_says_what_is_found(registry_name: str, supports: Callable[[str], bool], write_tables: bool) -> None:
    found = {capability: supports(capability) for capability in PROBES}
    if write_tables:
        table = {**(read_table() if TABLE.exists() else {}), registry_name: found}
        write_table({name: table[name] for name in REGISTRIES if name in table})
    assert read_table()[registry_name] == found
