"""Credential helpers, called as programs (github.com/docker/docker-credential-helpers, README, Development).

A helper is a program `docker-credential-NAME` that takes a verb (`get`, `store`, `erase`, `list`), reads the server or
a JSON document from stdin, and writes JSON to stdout. Its name comes from a file and the server from a reference, so
both are held to a grammar before anything is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from lading._wire.escaping import quoted
from lading.auth.credential_keys import CredentialKey, server
from lading.auth.credentials import Credential, Found
from lading.auth.secret_json import read
from lading.auth.subprocesses import converse, locate
from lading.errors import CredentialHelperError
from lading.names import registry_fault

LONGEST_ANSWER: Final = 1 << 20
"""Bytes that a helper may write."""
SECONDS: Final = 30.0
"""How long a helper may take."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
# What every helper that is made with Docker's library prints, with exit code 1.
_NOT_FOUND = b"credentials not found"
_TOKEN_USER = "<token>"  # noqa: S105  # the user name that marks an identity token

T = TypeVar("T")


class _Answer(msgspec.Struct, frozen=True):
    server: str = msgspec.field(name="ServerURL", default="")
    username: str = msgspec.field(name="Username", default="")
    secret: str = msgspec.field(name="Secret", default="")

    def __repr__(self) -> str:
        return "<answer of a credential helper>"


class Helper(msgspec.Struct, frozen=True):
    """The program `docker-credential-NAME`, looked for in PATH each time that it is run.

    Every method raises `CredentialHelperError` for a name that no program may have, a program that is not there, fails,
    takes 30 seconds or writes a MiB. No error shows what the helper wrote.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CredentialHelperError(
                f"{quoted(self.name)} is no name of a credential helper: it is what follows docker-credential-"
            )

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    def find(self, registry: str) -> Found | None:
        """Return what the helper has for a registry, or None if it says that it has nothing."""
        for name in _names(registry):
            credential = self._credential(name, registry)
            if credential is not None:
                return Found(credential, f"{self.program} for {name}")
        return None

    def store(self, registry: str, credential: Credential) -> None:
        """Have the helper keep a credential, in place of any that it has for the registry."""
        if credential.registry_token:
            raise CredentialHelperError(f"{self.program} cannot keep a registry token")
        username, secret = credential.username, credential.password
        if credential.identity_token:
            username, secret = _TOKEN_USER, credential.identity_token
        document = _Answer(server(registry), username, secret.reveal())
        self._run("store", msgspec.json.encode(document).decode(), registry)

    def erase(self, registry: str) -> bool:
        """Have the helper drop what it has for a registry; say whether it had anything."""
        held = [name for name in _names(registry) if self._credential(name, registry) is not None]
        for name in held:
            self._run("erase", name, registry)
        return bool(held)

    def list(self) -> Mapping[str, str]:
        """Return the servers that the helper has credentials for, each with its user name."""
        written = self._run("list", "", "")
        return {} if written is None else self._read(written, dict[str, str])

    def _run(self, verb: str, request: str, registry: str) -> bytes | None:
        """Return what the program wrote, or None if it found nothing."""
        if registry and registry_fault(registry) is not None:
            raise CredentialHelperError(f"{quoted(registry)} is no registry to ask {self.program} for")
        program = locate(self.program, os.environ.get("PATH", os.defpath))
        if program is None:
            raise CredentialHelperError(f"{self.program} is not in PATH: install it, or take it out of the settings")
        code, written = converse((str(program), verb), request.encode(), limit=LONGEST_ANSWER, seconds=SECONDS)
        if code == 0:
            return written
        if written.strip().lower().startswith(_NOT_FOUND):
            return None
        error = CredentialHelperError(f"{self.program} {verb} failed for {registry or 'its list'} (exit code {code})")
        if verb == "get":
            error.add_note(f"echo {request} | {self.program} get   says why")
        raise error

    def _credential(self, name: str, registry: str) -> Credential | None:
        written = self._run("get", name, registry)
        if written is None:
            return None
        answer = self._read(written, _Answer)
        key = CredentialKey.parse(answer.server)
        if key is not None and key.registry != registry:
            raise CredentialHelperError(
                f"{self.program} was asked for {registry} and answered for {quoted(key.registry)}: not used"
            )
        if not answer.secret:
            return None
        try:
            if answer.username == _TOKEN_USER:
                return Credential(identity_token=answer.secret)
            return Credential(answer.username, answer.secret)
        except ValueError as error:
            raise CredentialHelperError(f"{self.program}: {error}") from None

    def _read(self, written: bytes, kind: type[T]) -> T:
        return read(written, kind, f"what {self.program} wrote", CredentialHelperError)


def _names(registry: str) -> tuple[str, ...]:
    """Return the names that a helper may keep a registry under: for Docker Hub, docker's first and then podman's."""
    return tuple(dict.fromkeys((server(registry), registry)))
