"""Credentials files of docker and podman: locations, format and lookup.

Docker has `config.json` (docs.docker.com/reference/cli/docker/login), podman, buildah and skopeo have `auth.json`
(containers-auth.json(5)); one grammar covers both. Unknown entries are ignored. A file that cannot be read is an error,
never "no credentials": a push would continue as another user.
"""

from __future__ import annotations

import errno
import os
import stat
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lading._io import system
from lading._io.system import Access
from lading._wire.escaping import printable, quoted
from lading.auth.credential_helpers import Helper
from lading.auth.credential_keys import matching, spellings
from lading.auth.credentials import Chain, Credential, CredentialSource, Found, LookupStep, Secret, first
from lading.auth.secret_json import read
from lading.errors import AuthError, said_by_system
from lading.transports.proxies import Proxies

LONGEST_FILE = 4 << 20
"""Limit on the size of a credentials file in bytes."""
_VARIABLE = "DOCKER_AUTH_CONFIG"


class _AuthEntry(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""

    def __repr__(self) -> str:
        return "<entry of auths>"


class _Proxy(msgspec.Struct, frozen=True, rename="camel"):
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""

    def __repr__(self) -> str:
        return "<entry of proxies>"


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _AuthEntry] = msgspec.field(default_factory=dict[str, _AuthEntry])
    cred_helpers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    creds_store: str = ""
    http_headers: dict[str, str] = msgspec.field(name="HttpHeaders", default_factory=dict[str, str])
    proxies: dict[str, _Proxy] = msgspec.field(default_factory=dict[str, _Proxy])


class LoginEntry(msgspec.Struct, frozen=True):
    """Entry of `auths`."""

    auth: Secret
    """BASE64(USER:PASSWORD); takes precedence over `username` and `password`."""
    username: str
    password: Secret
    identity_token: Secret
    registry_token: Secret

    @property
    def holds_secrets(self) -> bool:
        return any((self.auth, self.password, self.identity_token, self.registry_token))

    def credential(self, place: str) -> Credential:
        """Return the credential. Raises `AuthError`, which names the place and shows no part of the entry."""
        username, password = _decoded(self.auth, place) if self.auth else (self.username, self.password)
        try:
            return Credential(
                username, password, identity_token=self.identity_token, registry_token=self.registry_token
            )
        except ValueError as error:
            raise AuthError(f"{place}: {error}") from None


class DockerConfig(msgspec.Struct, frozen=True):
    """Content of a credentials file."""

    place: str
    """Name of the file in messages."""
    auths: Mapping[str, LoginEntry]
    """Logins by key."""
    helpers: Mapping[str, str]
    """Names of credential helpers by key (`credHelpers`)."""
    store: str
    """Name of the default credential helper (`credsStore`), or ""."""
    http_headers: tuple[tuple[str, Secret], ...]
    """Header fields for every registry."""
    proxies: Mapping[str, Proxies]
    """Proxies by docker's name of a daemon, or `default`."""
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<DockerConfig {self.place}>"

    @classmethod
    def parse(cls, content: bytes, place: str) -> DockerConfig:
        """Parse the content of a file. Raises `AuthError`, which gives the position of the fault, but no content."""
        # Docker accepts an empty file as one without entries.
        document = read(content if content.strip() else b"{}", _Document, place)
        return cls(
            place,
            {text: _entry(entry) for text, entry in document.auths.items()},
            document.cred_helpers,
            document.creds_store,
            tuple((name, Secret(value)) for name, value in document.http_headers.items()),
            {
                name: Proxies(each.http_proxy, each.https_proxy, each.no_proxy)
                for name, each in document.proxies.items()
            },
        )

    @property
    def holds_secrets(self) -> bool:
        """Whether the file contains a secret."""
        return bool(self.http_headers) or any(entry.holds_secrets for entry in self.auths.values())

    def helper_of(self, registry: str) -> Helper | None:
        """Return the helper that stores the credentials of a whole registry, or None."""
        for _, _, name in matching(self.helpers, registry, ""):
            return Helper(name)
        return Helper(self.store) if self.store else None

    def spellings(self, registry: str) -> tuple[str, ...]:
        """Return the names of a whole registry in the file, under which its helper may store it."""
        return spellings((*self.auths, *self.helpers), registry)

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        """Look a repository up in the file, step by step.

        Longest namespace first; for the same length a helper before `credsStore`, and that before an entry.
        Raises `AuthError`.
        """
        nothing = True
        for place, holder in self._holders(registry, repository):
            nothing = False
            step = self._look_up(holder, place, registry)
            yield step
            if step.found is not None:
                return
        if nothing:
            yield LookupStep(self.place, f"has no entry for {registry}")

    def _holders(self, registry: str, repository: str) -> list[tuple[str, str | LoginEntry]]:
        holders: list[tuple[int, int, str, str | LoginEntry]] = [
            (-len(key.namespace), 0, f"credHelpers[{quoted(text)}]", name)
            for key, text, name in matching(self.helpers, registry, repository)
        ]
        if self.store:
            holders.append((0, 1, "credsStore", self.store))
        holders += [
            (-len(key.namespace), 2, f"auths[{quoted(text)}]", entry)
            for key, text, entry in matching(self.auths, registry, repository)
        ]
        holders.sort(key=lambda each: each[:2])
        return [(f"{self.place}, {name}", holder) for _, _, name, holder in holders]

    def _look_up(self, holder: str | LoginEntry, place: str, registry: str) -> LookupStep:
        if isinstance(holder, str):
            helper = Helper(holder)
            found = helper.find(registry, self.spellings(registry))
            if found is None:
                return LookupStep(place, f"names {helper.program}, which has no credentials for {registry}")
            source = f"{helper.program}, named by {place}"
            outcome = f"names {helper.program}, which has {found.credential.description}"
            return LookupStep(place, outcome, Found(found.credential, source, self.warnings))
        credential = holder.credential(place)
        if credential.is_empty:
            return LookupStep(place, "holds no secret")
        return LookupStep(place, f"holds {credential.description}", Found(credential, place, self.warnings))


class ConfigFile:
    """Credential source of a file, which is read again for every lookup. A missing file has no credentials."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> DockerConfig | None:
        """Read the file; None if it does not exist. Raises `AuthError`."""
        try:
            mode, content = _read(self.path)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            if _is_null_or_missing(self.path.parent):
                return None
            raise AuthError(f"cannot read {str(self.path)!r}: {str(self.path.parent)!r} is not a directory") from error
        except OSError as error:
            raise AuthError(f"cannot read {str(self.path)!r}: {said_by_system(error)}") from error
        if len(content) > LONGEST_FILE:
            raise AuthError(f"{str(self.path)!r} exceeds {LONGEST_FILE} bytes: not a credentials file")
        config = DockerConfig.parse(content, shown(self.path))
        if not system.HAS_OWNERS or mode & 0o077 == 0 or not config.holds_secrets:
            return config
        # A quoted path is also what a shell takes, unless it has characters that are escaped here.
        warning = (
            f"other users can read the secrets in {str(self.path)!r} (mode {mode:04o}): chmod 600 {str(self.path)!r}"
        )
        return replace(config, warnings=(warning,))

    def find(self, registry: str, repository: str, /) -> Found | None:
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        config = self.read()
        if config is None:
            yield LookupStep(shown(self.path), "does not exist")
        else:
            yield from config.search(registry, repository)


class _Variable:
    """Credential source of an environment variable with the content of a file, as in Docker and GitLab's runners."""

    def __init__(self, name: str, content: str) -> None:
        self._place = f"${name}"
        self._content = Secret(content)

    def find(self, registry: str, repository: str, /) -> Found | None:
        return first(self.search(registry, repository))

    def search(self, registry: str, repository: str, /) -> Iterator[LookupStep]:
        content = self._content.reveal().encode("utf-8", "surrogateescape")
        yield from DockerConfig.parse(content, self._place).search(registry, repository)


def places(environment: Mapping[str, str], home: Path, user: int | None) -> tuple[Path, ...]:
    """Return the paths of credentials files, in the order of the lookup.

    A file that `REGISTRY_AUTH_FILE` names is first. A login writes to the first one. Systems that do not number users
    have no directory for the files of a session (containers-auth.json(5)).
    """
    named = environment.get("REGISTRY_AUTH_FILE")
    docker = environment.get("DOCKER_CONFIG") or home / ".docker"
    # The XDG specification: paths that are not absolute must be ignored.
    absolute = {
        name: path for name, path in environment.items() if name.startswith("XDG_") and Path(path).is_absolute()
    }
    session: list[Path] = []
    if user is not None:
        runtime = absolute.get("XDG_RUNTIME_DIR")
        session = [Path(runtime, "containers") if runtime else Path("/run/containers", str(user))]
    settings = absolute.get("XDG_CONFIG_HOME", home / ".config")
    return (
        *([Path(named)] if named else []),
        Path(docker, "config.json"),
        *(each / "auth.json" for each in session),
        Path(settings, "containers", "auth.json"),
    )


def own_places() -> tuple[Path, ...]:
    """Return `places` for the environment, the home directory and the user of this process."""
    # Joined to the root, an unknown home directory cannot lead into the current one.
    home = Path("/", os.path.expanduser("~"))  # noqa: PTH111  # Path.home raises if it is unknown
    return places(os.environ, home, system.user_id())


def docker_credentials() -> Chain:
    """Return the credential sources of docker, podman and their helpers for this user.

    `DOCKER_AUTH_CONFIG`, which has the content of a file, precedes the files.
    """
    content = os.environ.get(_VARIABLE)
    files: list[CredentialSource] = [ConfigFile(path) for path in own_places()]
    return Chain([_Variable(_VARIABLE, content), *files] if content else files)


def shown(path: Path) -> str:
    """Return a path for a message: paths may have any character, and messages are one line."""
    return printable(str(path), len(str(path)))


def _read(path: Path) -> tuple[int, bytes]:
    """Return the permissions and the content of a file, up to one byte more than the limit.

    The null device stands for a file without entries. Raises `OSError`, also for a pipe: each lookup reads the file
    again, and a pipe would then have no credentials.
    """
    descriptor = system.open_file(path, Access.READ, follow=True)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) and not system.is_null(path, status):
            raise OSError(errno.EINVAL, f"not a regular file (${_VARIABLE} takes the content of one)")
        return stat.S_IMODE(status.st_mode), file.read(LONGEST_FILE + 1)


def _is_null_or_missing(path: Path) -> bool:
    try:
        return system.is_null(path, path.stat())
    except OSError:
        return True


def _entry(raw: _AuthEntry) -> LoginEntry:
    return LoginEntry(
        Secret(raw.auth), raw.username, Secret(raw.password), Secret(raw.identitytoken), Secret(raw.registrytoken)
    )


def _decoded(auth: Secret, place: str) -> tuple[str, Secret]:
    try:
        # Some programs break the value into lines, and some pad the password with NULs, as Docker once did.
        pair = a2b_base64("".join(auth.reveal().split()), strict_mode=True).decode().rstrip("\0")
    except ValueError:
        pair = ""
    username, colon, password = pair.partition(":")
    if not colon:
        # Raised outside of the handler: a decoding error contains the secret, and must not be its context.
        raise AuthError(f"{place}: auth is not BASE64(USER:PASSWORD) in UTF-8: log in again")
    return username, Secret(password)
