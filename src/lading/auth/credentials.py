"""Credentials and their sources.

A source is asked with the canonical name of a registry (`docker.io`, `localhost:5000`) and the name of a repository in
it, or "" for the registry as a whole. Sources block (they read files and run programs): flows call them through
`IO.call`, possibly from several threads at once.

Secrets are kept in `Secret`, which hides its value and cannot be pickled, so that they reach no log, error or dump.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn, Protocol, runtime_checkable

import msgspec
from msgspec.structs import force_setattr

from lading import _values
from lading._patterns import lazy_pattern
from lading._result import Result
from lading._wire.escaping import quoted
from lading.auth.credential_keys import CredentialKey, matching
from lading.errors import AuthError, InvalidReferenceError

# RFC 6750, section 2.1, and all other characters that a header field carries unambiguously.
_TOKEN = lazy_pattern(r"[\x21-\x7e]*", re.ASCII)
# RFC 7617, section 2, for the user name. Passwords may be whole JSON files, line ends and all.
_NO_USERNAME = lazy_pattern(r"[:\x00-\x1f\x7f\ud800-\udfff]")
_SURROGATE = lazy_pattern(r"[\ud800-\udfff]")


class Secret:
    """A string that is shown only by `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret = "") -> None:
        if isinstance(text, Secret):
            text = text.reveal()
        _values.expect(text, str, "a secret")
        self._text: str = text

    def reveal(self) -> str:
        """Return the string."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret('***')" if self._text else "Secret('')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")


class Credential:
    """A user name and password, or a token.

    `identity_token` is an OAuth2 refresh token, which the token server exchanges for others. `registry_token` is sent
    to the registry unchanged. Raises `ValueError`, which shows no secret, for a token that no header field can carry.
    """

    __slots__ = ("identity_token", "password", "registry_token", "username")

    def __init__(
        self,
        username: str = "",
        password: str | Secret = "",
        *,
        identity_token: str | Secret = "",
        registry_token: str | Secret = "",
    ) -> None:
        _values.expect(username, str, "username")
        secrets = {"password": password, "identity_token": identity_token, "registry_token": registry_token}
        for name, secret in secrets.items():
            if not isinstance(secret, Secret):
                _values.expect(secret, str, name)
        self.username: Final = username
        self.password: Final = Secret(password)
        self.identity_token: Final = Secret(identity_token)
        self.registry_token: Final = Secret(registry_token)
        for name in ("identity_token", "registry_token"):
            if not _TOKEN.fullmatch(getattr(self, name).reveal()):
                raise ValueError(f"the {name} has blanks, line ends or other characters that no token has")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credential) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"<Credential {self.description}>"

    def _parts(self) -> tuple[str, Secret, Secret, Secret]:
        return self.username, self.password, self.identity_token, self.registry_token

    @property
    def is_empty(self) -> bool:
        """Whether the credential has no secret: a user name alone does not log in."""
        return not (self.password or self.identity_token or self.registry_token)

    def basic(self) -> str:
        """Return the value of an Authorization field with user name and password (RFC 7617), in UTF-8.

        Raises `AuthError` for a user name with a colon or a control character, and for lone surrogates.
        """
        password = self.password.reveal()
        if _NO_USERNAME.search(self.username) or _SURROGATE.search(password):
            raise AuthError(
                f"user {quoted(self.username)} cannot log in: the name has a colon or a control character, or name or "
                "password have characters outside of Unicode"
            )
        return "Basic " + b2a_base64(f"{self.username}:{password}".encode(), newline=False).decode("ascii")

    def bearer(self) -> str:
        """Return the value of an Authorization field with the registry token (RFC 6750)."""
        return f"Bearer {self.registry_token.reveal()}"

    @property
    def description(self) -> str:
        """The kind of credential and its user name, without the secret."""
        kinds = {
            "a registry token": self.registry_token,
            "an identity token": self.identity_token,
            "a password": self.password,
        }
        what = next((kind for kind, secret in kinds.items() if secret), "no password")
        return f"user {quoted(self.username)} with {what}" if self.username else what


class Found(msgspec.Struct, frozen=True):
    """A credential that a source has found."""

    credential: Credential
    """The credential."""
    source: str
    """Where it comes from, for messages."""
    warnings: tuple[str, ...] = ()
    """Warnings for the user about that location."""

    def __post_init__(self) -> None:
        _values.expect(self.credential, Credential, "credential")
        _values.expect(self.source, str, "source")
        force_setattr(self, "warnings", _values.items(self.warnings, "warnings"))


class LookupStep(Result, frozen=True):
    """One step of a search for a credential."""

    place: str
    """The location that was searched."""
    outcome: str
    """The result, in words."""
    found: Found | None = None
    """The credential, if there was one."""

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON values, without secrets; `answers` is whether there was a credential."""
        return {"place": self.place, "outcome": self.outcome, "answers": self.found is not None}


class CredentialSource(Protocol):
    """Finds credentials for repositories."""

    def find(self, registry: str, repository: str, /) -> Found | None:
        """Return the credential for a repository, or None. Raises `AuthError` if the search fails."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """A source that reports the steps of its search."""

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        """Search one location after the other; the first step that finds a credential is the last one."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that caches credentials for as long as they should be valid."""

    def forget(self, credential: Credential, /) -> None:
        """Drop a credential that a registry has refused, so that the next search obtains a new one."""
        ...


class Explicit:
    """The caller's credentials, by registry (`ghcr.io`) or namespace (`ghcr.io/acme`).

    A pair is a user name and a password. Raises `InvalidReferenceError` for a key that is neither a registry nor a
    namespace.
    """

    def __init__(self, credentials: Mapping[str, Credential | tuple[str, str]]) -> None:
        _values.mapping(credentials, "credentials", object)
        self._credentials = {_explicit_key(text): _explicit(given) for text, given in credentials.items()}

    def find(self, registry: str, repository: str, /) -> Found | None:
        """Return the credential of the longest key that matches, or None."""
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        """Search the keys; the only step is the one that matches, if there is one."""
        for _, text, credential in matching(self._credentials, registry, repository)[:1]:
            place = f"the credentials given for {text}"
            yield LookupStep(place, credential.description, Found(credential, place))


class Chain:
    """Sources that are asked in turn, until one has a credential."""

    def __init__(self, sources: Iterable[CredentialSource]) -> None:
        self._sources = _values.items(sources, "sources", object)
        for position, source in enumerate(self._sources):
            check_source(source, f"sources[{position}]")

    def find(self, registry: str, repository: str, /) -> Found | None:
        """Return the first credential that a source has, or None. Raises `AuthError` if a search fails."""
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        """Search one source after the other, up to the first that has a credential."""
        for source in self._sources:
            for step in steps(source, registry, repository):
                yield step
                if step.found is not None:
                    return

    def forget(self, credential: Credential, /) -> None:
        """Have the sources that cache credentials drop one that a registry has refused."""
        for source in self._sources:
            if isinstance(source, Remembering):
                source.forget(credential)


def steps(source: CredentialSource, registry: str, repository: str) -> Iterator[LookupStep]:
    """Search a source, step by step if it reports its steps."""
    if isinstance(source, Searchable):
        yield from source.search(registry, repository)
        return
    found = source.find(registry, repository)
    if found is None:
        yield LookupStep(type(source).__name__, "has no credentials")
    else:
        yield LookupStep(found.source, found.credential.description, found)


def first(search: Iterable[LookupStep]) -> Found | None:
    """Return the result of a search."""
    return next((step.found for step in search if step.found is not None), None)


def check_source(source: object, what: str) -> None:
    """Raise `TypeError` for an object that is not a source of credentials; the message shows no values."""
    find = getattr(source, "find", None)
    if find is None or isinstance(source, (type, str, bytes)):
        kind = f"the class {source.__name__}" if isinstance(source, type) else type(source).__name__
        raise TypeError(f"{what} must have a method find(registry, repository), which {kind} does not have")
    _values.plain_function(find, f"{what}.find")


def _explicit(given: object) -> Credential:
    if isinstance(given, Credential):
        return given
    # A string is not a pair of letters. Neither key nor value is shown: either may hold a password.
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return Credential(*given)
    raise TypeError(
        f"each value of credentials must be a lading.Credential or a pair of strings, not {type(given).__name__}: "
        "write {'ghcr.io': ('user', 'password')}"
    )


def _explicit_key(text: str) -> str:
    key = CredentialKey.parse(text.lower())
    if key is None:
        # The part before an @ may be a password.
        raise InvalidReferenceError(
            f"invalid key of a credential {quoted(text.rpartition('@')[2])}: write HOST[:PORT] or HOST[:PORT]/NAMESPACE"
        )
    return str(key)
