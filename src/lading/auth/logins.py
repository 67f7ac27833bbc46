"""Storage of logins: login and logout.

A login is stored in the credential helper, if the file names one for the registry; else in the file, readable by every
user who can read that. All other content of the file stays unchanged, including its order and unknown entries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from lading import _values, strict_json
from lading._io.atomic_files import check_replaceable, replace
from lading._io.file_lock import exclusive
from lading._patterns import lazy_pattern
from lading._result import Result
from lading.auth.credential_keys import server, spellings
from lading.auth.credentials import Credential
from lading.auth.docker_config import ConfigFile, DockerConfig, own_places, shown
from lading.errors import storage_errors

_SECONDS = 30.0
_INDENT = lazy_pattern(rb"^ +", re.MULTILINE)


class StoredLogin(Result, frozen=True):
    """Location of a stored login."""

    place: str
    """Path of the file, or name of the credential helper."""
    in_clear: bool
    """Whether every user who can read the file can read the login."""


class Logins:
    """Logins of a credentials file: by default the first one that this user's docker and podman read.

    The file need not exist yet. `registry` is the canonical name, such as `docker.io` (`RegistryName.name`).
    Every method raises `AuthError` for an invalid file or a helper that fails, and `StorageError`. A symbolic link
    stays one: its target is replaced.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        _values.path(path, "path", none=True)
        self.path: Final = own_places()[0] if path is None else Path(path)

    def store(self, registry: str, credential: Credential) -> StoredLogin:
        """Store a credential for a whole registry, in place of any other."""
        config = ConfigFile(self.path).read()
        helper = None if config is None else config.helper_of(registry)
        entry: dict[str, str] = {}
        if helper is None:
            entry = _entry(credential)
        else:
            helper.store(registry, credential)
        with self._changing() as auths:
            for text in spellings(auths, registry):
                del auths[text]
                if helper is not None:  # where it may have another login, for `erase`
                    auths[text] = {}
            # As in docker, an empty entry marks a login that is stored in a helper.
            auths[server(registry)] = entry
        if helper is None:
            return StoredLogin(shown(self.path), in_clear=True)
        return StoredLogin(helper.program, in_clear=False)

    def erase(self, registry: str) -> tuple[str, ...]:
        """Erase the credential for a whole registry; return the places from which one was erased."""
        config = ConfigFile(self.path).read()
        if config is None:
            return ()
        places: list[str] = []
        helper = config.helper_of(registry)
        if helper is not None and helper.erase(registry, config.spellings(registry)):
            places.append(helper.program)
        if spellings(config.auths, registry):
            with self._changing() as auths:
                for text in spellings(auths, registry):
                    del auths[text]
            places.append(shown(self.path))
        return tuple(places)

    @contextmanager
    def _changing(self) -> Generator[dict[str, Any]]:
        """Yield `auths` to be changed, to one process at a time, and then write the file."""
        target = Path(os.path.realpath(self.path))
        with storage_errors(f"cannot write {str(target)!r}"):
            check_replaceable(target)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A process that can open the lock file can hold the lock.
            with exclusive(target.with_name(f"{target.name}.lock"), seconds=_SECONDS, mode=0o600):
                before = target.read_bytes() if target.exists() else b""
                DockerConfig.parse(before, str(target))
                tree: dict[str, Any] = strict_json.parse_verbatim(before) if before.strip() else {}
                auths = tree.setdefault("auths", {}) or {}
                yield auths
                tree["auths"] = auths
                replace(target, _written(tree), private=True)


def _entry(credential: Credential) -> dict[str, str]:
    entry = {
        "auth": credential.basic().removeprefix("Basic ") if credential.username or credential.password else "",
        "identitytoken": credential.identity_token.reveal(),
        "registrytoken": credential.registry_token.reveal(),
    }
    return {name: value for name, value in entry.items() if value}


def _written(tree: dict[str, Any]) -> bytes:
    """Serialize JSON as docker and podman do, with tabs."""
    lines = msgspec.json.format(strict_json.encode(tree), indent=1)
    return _INDENT.sub(lambda blanks: b"\t" * len(blanks[0]), lines) + b"\n"
