"""Check a user name and password with a registry, and store them as docker and podman do.

They are stored by the credential helper of the configuration, else in the configuration file, where every reader of the
file can see them. Without options, both are asked for at the terminal. The exit code is 4 if the registry refuses them.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options
from lading.cli.output import Output, UsageError
from lading.cli.passwords import from_stdin

if TYPE_CHECKING:
    from lading import Credential, Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="[http://|https://]HOST[:PORT]")
    parser.add_argument("-u", "--user", metavar="NAME", default="", help="the user name")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from stdin; needs --user")
    add_connection_options(parser, account=False)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import Credential, Logins, RegistryName

    registry = RegistryName.parse(options.registry)
    username, password = _asked(options)
    credential = Credential(username, password)
    checked = _check(options, output, registry.name, credential)
    if not checked:
        output.warning(f"{registry.name} asks for no login: the password was not checked")
    kept = Logins().store(registry.name, credential)
    if kept.in_clear:
        output.warning(f"the password is stored unencrypted in {kept.place}: a credential helper would protect it")
    record = {"registry": registry.name, "user": username, "checked": checked, "kept": kept.place}
    output.result(record, f"{registry.name}: logged in as {username}")


class _Offer:
    """Credential for one registry; remembers whether that has asked for it."""

    def __init__(self, registry: str, credential: Credential) -> None:
        self.was_asked = False
        self._registry = registry
        self._credential = credential

    def find(self, registry: str, _repository: str, /) -> Found | None:
        from lading import Found

        if registry != self._registry:
            return None
        self.was_asked = True
        return Found(self._credential, "this login")


def _check(options: argparse.Namespace, output: Output, registry: str, credential: Credential) -> bool:
    """Log in, and return whether the registry asked for it. Raises `UnauthorizedError` or `AuthError` for a refusal."""
    from lading import UnauthorizedError
    from lading.cli.client import connected

    offer = _Offer(registry, credential)
    with connected(options, output, registry, credentials=offer) as client:
        try:
            client.registry(options.registry).ping()
        except UnauthorizedError as error:
            raise UnauthorizedError(
                f"{registry} refused user {credential.username!r}: wrong user name or password",
                request=error.request,
                status=error.status,
                errors=error.errors,
                response=error.response,
            ) from error
    return offer.was_asked


def _asked(options: argparse.Namespace) -> tuple[str, str]:
    """Return user name and password."""
    if options.password_stdin:
        if not options.user:
            raise UsageError("--password-stdin needs --user: stdin has the password only")
        return options.user, from_stdin()
    # On Windows, `isatty` holds for the null device too, and `getpass` never ends without a console.
    if sys.stdin is None or not sys.stdin.isatty() or os.device_encoding(sys.stdin.fileno()) is None:
        raise UsageError("cannot ask for the password without a terminal: use --password-stdin")
    try:
        return _prompted(options.user)
    except EOFError:
        raise UsageError("the user name or the password is empty") from None


def _prompted(user: str) -> tuple[str, str]:
    from getpass import getpass

    if not user:
        sys.stderr.write("user name: ")
        sys.stderr.flush()
        user = sys.stdin.readline().strip()
    password = getpass("password: ") if user else ""
    if not password:
        raise EOFError
    return user, password
