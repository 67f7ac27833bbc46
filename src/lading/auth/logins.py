"""How a login is kept, and how it is given up.

Into the credential helper, if the file names one for the registry; else into the file, where anybody who may read the
file can read it. What else is in the file stays as it is, its order and what is not known here included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lading import strict_json
from lading._io.atomic_files import replace
from lading._io.file_lock import exclusive
from lading.auth.credential_keys import CredentialKey, server
from lading.auth.credentials import Credential
from lading.auth.docker_config import ConfigFile, DockerConfig
from lading.errors import storage_errors

_SECONDS = 30.0
_INDENT = re.compile(rb"^ +", re.MULTILINE)


class StoredLogin(msgspec.Struct, frozen=True):
    """Where a login went, and whether it can be read there by whoever can read the file."""

    place: str
    in_clear: bool


class Logins:
    """The logins of a file of credentials, which need not exist yet.

    Every method raises `AuthError` for a file that is broken or a helper that fails, and `StorageError`. A file that is
    a symbolic link stays one: what it leads to is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def store(self, registry: str, credential: Credential) -> StoredLogin:
        """Keep a credential for a whole registry, in place of any other."""
        config = ConfigFile(self.path).read()
        helper = None if config is None else config.helper_of(registry)
        entry: dict[str, str] = {}
        if helper is None:
            entry = _entry(credential)
        else:
            helper.store(registry, credential)
        with self._changing() as auths:
            # As docker does it, an empty entry marks a login that is with a helper.
            for text in _spellings(auths, registry):
                if text != server(registry):
                    del auths[text]
            auths[server(registry)] = entry
        if helper is None:
            return StoredLogin(str(self.path), in_clear=True)
        return StoredLogin(helper.program, in_clear=False)

    def erase(self, registry: str) -> tuple[str, ...]:
        """Drop the credential for a whole registry; return where there was something to drop."""
        config = ConfigFile(self.path).read()
        if config is None:
            return ()
        places: list[str] = []
        helper = config.helper_of(registry)
        if helper is not None and helper.erase(registry):
            places.append(helper.program)
        if _spellings(config.auths, registry):
            with self._changing() as auths:
                for text in _spellings(auths, registry):
                    del auths[text]
            places.append(str(self.path))
        return tuple(places)

    @contextmanager
    def _changing(self) -> Generator[dict[str, Any]]:
        """Give `auths` to be changed, to one process at a time, and write the file when that is done."""
        target = Path(os.path.realpath(self.path))
        with storage_errors(f"cannot write {target}"):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whoever can open the file of the lock can hold it.
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


def _spellings(auths: Mapping[str, object], registry: str) -> list[str]:
    return [text for text in auths if CredentialKey.parse(text) == CredentialKey(registry)]


def _written(tree: dict[str, Any]) -> bytes:
    """Write JSON as docker and podman do, with tabs."""
    lines = msgspec.json.format(strict_json.encode(tree), indent=1)
    return _INDENT.sub(lambda blanks: b"\t" * len(blanks[0]), lines) + b"\n"
