"""Check a user name and password with a registry, and keep them for later, as docker and podman do.

They are kept by the credential helper that the settings name; without one they are in the settings' file, where whoever
may read that file can read them. Without options, both are asked for at the terminal.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options
from lading.cli.output import Output, UsageError
from lading.cli.passwords import from_stdin

if TYPE_CHECKING:
    from lading.auth.credentials import Credential, Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("registry", metavar="REGISTRY", help="[http://|https://]HOST[:PORT]")
    parser.add_argument("-u", "--user", metavar="NAME", default="", help="the user name")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from stdin; needs --user")
    add_connection_options(parser, account=False)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.auth.credentials import Credential
    from lading.auth.docker_config import own_places
    from lading.auth.logins import Logins
    from lading.reference import RegistryName

    registry = RegistryName.parse(options.registry)
    username, password = _asked(options)
    credential = Credential(username, password)
    checked = _check(options, output, registry.name, credential)
    if not checked:
        output.warning(f"{registry.name} lets everybody in: the password was not checked")
    kept = Logins(own_places()[0]).store(registry.name, credential)
    if kept.in_clear:
        output.warning(f"the password is in {kept.place}, not encrypted: a credential helper would keep it better")
    record = {"registry": registry.name, "user": username, "checked": checked, "kept": kept.place}
    output.result(record, f"{registry.name}: logged in as {username}")


class _Offer:
    """The one credential, for the one registry; remembers whether that has asked for it."""

    def __init__(self, registry: str, credential: Credential) -> None:
        self.was_asked = False
        self._registry = registry
        self._credential = credential

    def find(self, registry: str, _repository: str, /) -> Found | None:
        from lading.auth.credentials import Found

        if registry != self._registry:
            return None
        self.was_asked = True
        return Found(self._credential, "this login")


def _check(options: argparse.Namespace, output: Output, registry: str, credential: Credential) -> bool:
    """Log in; say whether the registry wanted that at all. Raises what a refusal raises."""
    from lading.cli.client import connected

    offer = _Offer(registry, credential)
    with connected(options, output, registry, credentials=offer) as client:
        client.registry(options.registry).ping()
    return offer.was_asked


def _asked(options: argparse.Namespace) -> tuple[str, str]:
    """Return user name and password."""
    if options.password_stdin:
        if not options.user:
            raise UsageError("--password-stdin needs --user: stdin is the password")
        return options.user, from_stdin()
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password at: use --password-stdin")
    try:
        return _prompted(options.user)
    except EOFError:
        raise UsageError("nothing was typed") from None


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
