"""Choice of the proxy for an origin.

The variables and their precedence are those of curl and of Python's urllib: the name in lower case wins, HTTP_PROXY is
ignored where it could be a header of a CGI request, and NO_PROXY is a list of hosts. No other source, such as netrc, is
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_loopback
from lading.errors import ConnectionFailedError

_PROXY = lazy_pattern(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:(?P<user>[\x21-\x7e]*)@)?(?P<authority>[^@/?#\s]+)/?", re.ASCII
)


class Proxy(msgspec.Struct, frozen=True):
    """HTTP proxy."""

    origin: Origin
    authorization: str | None = None
    """Value of `Proxy-Authorization`."""

    def __repr__(self) -> str:
        return f"<Proxy {self.origin}>"

    def check(self, status: int, origin: Origin) -> None:
        """Raise `ConnectionFailedError` if the response is the proxy's own request for credentials (407)."""
        if status == 407:
            raise ConnectionFailedError(
                f"{origin}: the proxy {self.origin} requires other credentials (407)", temporary=False
            )


class Proxies(msgspec.Struct, frozen=True):
    """Proxies and the hosts that are contacted directly. A proxy is written `[http://][user:password@]host[:port]`."""

    http: str = ""
    """Proxy for plain HTTP; "" for none."""
    https: str = ""
    """Proxy for HTTPS; "" for none."""
    bypass: str = ""
    """Hosts (each with its subdomains), IP addresses and networks (`10.0.0.0/8`) to contact directly.

    Entries are separated by commas or spaces and may have a port; `*` is every host.
    """
    loopback: bool = False
    """Whether loopback is proxied, too."""

    def __repr__(self) -> str:
        # Without the proxies, which may have passwords in them.
        return f"<Proxies bypass={self.bypass!r} loopback={self.loopback}>"

    def choose(self, origin: Origin) -> Proxy | None:
        """Return the proxy for an origin, or None.

        Raises `ConnectionFailedError` when that proxy cannot be used: its URL is invalid or of another scheme.
        """
        text = self.https if origin.scheme == "https" else self.http
        if not text or (is_loopback(origin.host) and not self.loopback):
            return None
        if any(_covers(entry, origin) for entry in self.bypass.replace(",", " ").split()):
            return None
        return _parse(text, origin)


def read_environment(environment: Mapping[str, str]) -> Proxies:
    """Read HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case, from a mapping such as `os.environ`."""

    def value(name: str) -> str:
        lower = environment.get(name)
        return (environment.get(name.upper(), "") if lower is None else lower).strip()

    # A CGI program finds the Proxy header of its client in HTTP_PROXY (CVE-2016-5385).
    http = environment.get("http_proxy", "").strip() if "REQUEST_METHOD" in environment else value("http_proxy")
    return Proxies(http=http, https=value("https_proxy"), bypass=value("no_proxy"))


def _parse(text: str, origin: Origin) -> Proxy:
    match = _PROXY.fullmatch(text)
    if match is None:
        # The setting may contain a password, so it is not shown.
        raise ConnectionFailedError(
            f"{origin}: the proxy in the settings is not a URL like http://host:port", temporary=False
        )
    scheme, user, authority = match.group("scheme", "user", "authority")
    if scheme is not None and scheme.lower() != "http":
        raise ConnectionFailedError(
            f"{origin}: a proxy must be an http:// URL, not {scheme[:20]!r}://", temporary=False
        )
    try:
        return Proxy(Origin.of("http", authority), None if user is None else _basic(user))
    except ValueError as error:
        raise ConnectionFailedError(
            f"{origin}: the proxy in the settings is invalid: {error}", temporary=False
        ) from error


def _basic(user: str) -> str:
    from base64 import b64encode  # takes milliseconds, which only a proxy with a password needs
    from urllib.parse import unquote_to_bytes  # likewise

    name, _, password = user.partition(":")
    return "Basic " + b64encode(unquote_to_bytes(name) + b":" + unquote_to_bytes(password)).decode("ascii")


def _covers(entry: str, origin: Origin) -> bool:
    """Return whether an entry of NO_PROXY covers the host of an origin."""
    if entry == "*":
        return True
    host, port = _split_port(entry.lower())
    if port and port != str(origin.port):
        return False
    address = origin.host.strip("[]").partition("%")[0]
    if ":" in host or re.fullmatch(r"[0-9./]+", host):
        return _is_in_network(address, host)
    suffix = host.removeprefix("*").strip(".")
    name = address.rstrip(".")
    return bool(suffix) and (name == suffix or name.endswith(f".{suffix}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Split `host:port`; an IPv6 address has a port only if it is in brackets."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _is_in_network(address: str, network: str) -> bool:
    import ipaddress  # takes milliseconds, which only an entry with an address needs

    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
