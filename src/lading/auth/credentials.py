"""Which credential belongs to a repository, and who says so.

A source is asked with the canonical name of a registry (`docker.io`, `localhost:5000`) and that of a repository in it,
or "" where the registry as a whole is meant. Sources block (they read files and run programs): flows ask them through
`IO.call`. They may be asked from several threads at once.

Secrets are kept in `Secret`, which shows nothing and cannot be pickled, so that no log, error or dump has them.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn, Protocol, runtime_checkable

import msgspec

from lading._wire.escaping import quoted
from lading.auth.credential_keys import CredentialKey, matching
from lading.errors import AuthError, InvalidReferenceError

# RFC 6750, section 2.1, and whatever else a header field can carry without being misread.
_TOKEN = re.compile(r"[\x21-\x7e]*", re.ASCII)
# RFC 7617, section 2, for the user name. Passwords may be whole JSON files, line ends and all.
_NO_USERNAME = re.compile(r"[:\x00-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Secret:
    """A text that is seen only where it is asked for by `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret = "") -> None:
        self._text: str = text.reveal() if isinstance(text, Secret) else text

    def reveal(self) -> str:
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
        raise TypeError("a secret is neither pickled nor copied")


class Credential:
    """What to log in with: a user name and password, a token for the token server, or one for the registry itself.

    `identity_token` is an OAuth2 refresh token, for which the token server gives others. `registry_token` is sent to
    the registry as it is. Raises `ValueError`, which shows no secret, for a token that no header field can carry.
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
        """Whether there is no secret at all: a user name alone is nobody."""
        return not (self.password or self.identity_token or self.registry_token)

    def basic(self) -> str:
        """Return the value of an Authorization field with user name and password (RFC 7617), in UTF-8.

        Raises `AuthError` for a user name with a colon or a control character, and for text that has no UTF-8.
        """
        password = self.password.reveal()
        if _NO_USERNAME.search(self.username) or _SURROGATE.search(password):
            raise AuthError(
                f"user {quoted(self.username)} cannot log in: there is a colon or a control character in the name, or "
                "what is no Unicode text in name or password"
            )
        return "Basic " + b2a_base64(f"{self.username}:{password}".encode(), newline=False).decode("ascii")

    def bearer(self) -> str:
        """Return the value of an Authorization field with the registry token (RFC 6750)."""
        return f"Bearer {self.registry_token.reveal()}"

    @property
    def description(self) -> str:
        """Say what there is, without the secret."""
        kinds = {
            "a registry token": self.registry_token,
            "an identity token": self.identity_token,
            "a password": self.password,
        }
        what = next((kind for kind, secret in kinds.items() if secret), "no password")
        return f"user {quoted(self.username)} with {what}" if self.username else what


class Found(msgspec.Struct, frozen=True):
    """A credential, the place that it comes from, and what the user should be warned of about that place."""

    credential: Credential
    source: str
    warnings: tuple[str, ...] = ()


class LookupStep(msgspec.Struct, frozen=True):
    """One place that was looked at: which, what it had to say, and the credential if it had one."""

    place: str
    outcome: str
    found: Found | None = None


class CredentialSource(Protocol):
    """Something that knows credentials."""

    def find(self, registry: str, repository: str, /) -> Found | None:
        """Return the credential for a repository, or None. Raises `AuthError` where that cannot be told."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """A source that can tell how it finds what it finds."""

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        """Look at one place after the other; the first step that has found something is the last one."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that answers from memory for as long as a credential should be good."""

    def forget(self, credential: Credential, /) -> None:
        """Drop a credential that a registry has refused, so that the next search has a new one made."""
        ...


class Explicit:
    """The credentials that the caller gives, by registry (`ghcr.io`) or namespace (`ghcr.io/acme`).

    A pair is a user name and a password. Raises `InvalidReferenceError` for a key that is neither.
    """

    def __init__(self, credentials: Mapping[str, Credential | tuple[str, str]]) -> None:
        self._credentials = {
            _explicit_key(text): credential if isinstance(credential, Credential) else Credential(*credential)
            for text, credential in credentials.items()
        }

    def find(self, registry: str, repository: str, /) -> Found | None:
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        for _, text, credential in matching(self._credentials, registry, repository)[:1]:
            place = f"the credentials given for {text}"
            yield LookupStep(place, credential.description, Found(credential, place))


class Chain:
    """Sources that are asked in turn; the first that has a credential answers."""

    def __init__(self, sources: Iterable[CredentialSource]) -> None:
        self._sources = tuple(sources)

    def find(self, registry: str, repository: str, /) -> Found | None:
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        for source in self._sources:
            for step in steps(source, registry, repository):
                yield step
                if step.found is not None:
                    return

    def forget(self, credential: Credential, /) -> None:
        for source in self._sources:
            if isinstance(source, Remembering):
                source.forget(credential)


def steps(source: CredentialSource, registry: str, repository: str) -> Iterator[LookupStep]:
    """Ask a source, step by step if it can tell its steps."""
    if isinstance(source, Searchable):
        yield from source.search(registry, repository)
        return
    found = source.find(registry, repository)
    if found is None:
        yield LookupStep(type(source).__name__, "has no credentials")
    else:
        yield LookupStep(found.source, found.credential.description, found)


def first(search: Iterable[LookupStep]) -> Found | None:
    """Return what a search comes to."""
    return next((step.found for step in search if step.found is not None), None)


def _explicit_key(text: str) -> str:
    key = CredentialKey.parse(text.lower())
    if key is None:
        # What stands before an @ may be a password.
        raise InvalidReferenceError(
            f"invalid key of a credential {quoted(text.rpartition('@')[2])}: write HOST[:PORT] or HOST[:PORT]/NAMESPACE"
        )
    return str(key)
