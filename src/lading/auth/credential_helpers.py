"""Credential helpers, run as programs (github.com/docker/docker-credential-helpers, README, Development).

A helper is a program `docker-credential-NAME` that takes a verb (`get`, `store`, `erase`, `list`), reads the server or
a JSON document from stdin, and writes JSON to stdout. Its name is read from a file and the server from a reference, so
both are checked against a grammar before a program is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.escaping import quoted
from lading.auth.credential_keys import CredentialKey, server
from lading.auth.credentials import Credential, Found
from lading.auth.secret_json import read
from lading.auth.subprocesses import converse, locate
from lading.errors import CredentialHelperError
from lading.names import registry_fault

LONGEST_ANSWER: Final = 1 << 20
"""Limit on the output of a helper in bytes."""
SECONDS: Final = 30.0
"""Time limit on a helper in seconds."""

_NAME = lazy_pattern(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
# Output, with exit code 1, of every helper that is built with Docker's library.
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
    """Program `docker-credential-NAME`, looked up in PATH each time that it is run.

    Every method raises `CredentialHelperError` for an invalid name, and for a program that is missing, fails, takes
    more than 30 seconds or writes more than 1 MiB. No error shows the output of the helper.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CredentialHelperError(
                f"invalid name of a credential helper {quoted(self.name)}: write the NAME of docker-credential-NAME"
            )

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    def find(self, registry: str, spellings: Iterable[str] = ()) -> Found | None:
        """Return the helper's credential for a registry, or None if it has none.

        `spellings` are further names of the registry, as its keys in a file are spelled.
        """
        for name in _names(registry, spellings):
            credential = self._credential(name, registry)
            if credential is not None:
                return Found(credential, f"{self.program} for {name}")
        return None

    def store(self, registry: str, credential: Credential) -> None:
        """Store a credential in the helper, in place of any other for the registry."""
        if credential.registry_token:
            raise CredentialHelperError(f"{self.program} cannot store a registry token")
        username, secret = credential.username, credential.password
        if credential.identity_token:
            username, secret = _TOKEN_USER, credential.identity_token
        document = _Answer(server(registry), username, secret.reveal())
        self._run("store", msgspec.json.encode(document).decode(), registry)

    def erase(self, registry: str, spellings: Iterable[str] = ()) -> bool:
        """Erase the helper's credentials for a registry; return whether it had any. `spellings` are as for `find`."""
        held = [name for name in _names(registry, spellings) if self._credential(name, registry) is not None]
        for name in held:
            self._run("erase", name, registry)
        return bool(held)

    def list(self) -> Mapping[str, str]:
        """Return the servers that the helper has credentials for, each with its user name."""
        written = self._run("list", "", "")
        return {} if written is None else self._read(written, dict[str, str])

    def _run(self, verb: str, request: str, registry: str) -> bytes | None:
        """Return the output of the program, or None if it has no credentials."""
        if registry and registry_fault(registry) is not None:
            raise CredentialHelperError(f"cannot run {self.program}: {quoted(registry)} is not a registry")
        program = locate(self.program, os.environ.get("PATH", os.defpath))
        if program is None:
            raise CredentialHelperError(f"{self.program} is not in PATH: install it, or remove it from the settings")
        code, written = converse((str(program), verb), request.encode(), limit=LONGEST_ANSWER, seconds=SECONDS)
        if code == 0:
            return written
        if written.strip().lower().startswith(_NOT_FOUND):
            return None
        where = f" for {registry}" if registry else ""
        error = CredentialHelperError(f"{self.program} {verb} failed{where} (exit code {code})")
        if verb == "get":
            error.add_note(f"to see the reason, run: echo {request} | {self.program} get")
        raise error

    def _credential(self, name: str, registry: str) -> Credential | None:
        written = self._run("get", name, registry)
        if written is None:
            return None
        answer = self._read(written, _Answer)
        key = CredentialKey.parse(answer.server)
        if key is not None and key.registry != registry:
            raise CredentialHelperError(
                f"{self.program} returned credentials for {quoted(key.registry)} instead of {registry}: not used"
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
        return read(written, kind, f"the output of {self.program}", CredentialHelperError)


def _names(registry: str, spellings: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a helper may store a registry under.

    For Docker Hub, docker's is first and then podman's. docker stores a registry as the user has spelled it at login.
    """
    return tuple(dict.fromkeys((server(registry), registry, *spellings)))
