"""Base class of results: structs that are also given as plain JSON values."""

from __future__ import annotations

import os
from typing import Any

import msgspec


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """A result. Immutable."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values, by the names of the specifications: `mediaType`, `artifactType`.

        The fields of `descriptor` are on the same level as the others, an error is its message, and fields that are
        None are left out. `lading --json` prints these values.
        """
        record: dict[str, Any] = {}
        if self.__struct_config__.omit_defaults:  # a value of documents, which is given as it is written there
            record |= _builtins(self)
            return record
        for field, name in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, field)
            if field == "descriptor":
                record |= plain(value)
            elif value is not None:
                record[name] = plain(value)
        return record


def plain(value: object) -> Any:
    """Return a value of a result as plain JSON values."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return _builtins(value)


def _builtins(value: object) -> Any:
    return _listed(msgspec.to_builtins(value, enc_hook=_written))


def _listed(value: Any) -> Any:
    """Return built-in values with lists in place of tuples, which msgspec keeps."""
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(each) for each in value]
    return value


def _written(value: object) -> str:
    if isinstance(value, str | os.PathLike | Exception):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
