"""Registrable domains (https://publicsuffix.org/list/): host names with one owner.

A public suffix is a name directly below which others have their domains: `com`, `co.uk`, `github.io`. Two hosts have
one owner if they share a suffix and the label before it. The list has the suffixes that their owners reported to it.
The tables below have clouds that did not, or that hand out names at several levels, and that host registries or token
servers.
"""

from __future__ import annotations

# Names directly below these have different owners: acme.azurecr.io and evil.azurecr.io.
_SHARED = frozenset(
    {
        "azurecr.cn",
        "azurecr.io",
        "azurecr.us",
        "jfrog.io",
        "pkg.dev",
    }
)
# Names at several levels below these have different owners, behind regions and services:
# NAME.s3.us-east-1.amazonaws.com, NAME-uc.a.run.app, NAME.blob.core.windows.net, NAME.westeurope.azurecontainer.io,
# NAME.westeurope.cloudapp.azure.com, NAME.lambda-url.us-east-1.on.aws.
_SHARED_AT_ANY_DEPTH = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".amazonwebservices.com.cn",
    ".azurecontainer.io",
    ".chinacloudapi.cn",
    ".cloudapp.azure.com",
    ".on.aws",
    ".run.app",
    ".usgovcloudapi.net",
    ".windows.net",
)


def same_domain(one: str, other: str) -> bool:
    """Return whether two host names, in lower case, belong to one owner."""
    if one == other:
        return "." in one and all(one.split("."))
    if one.endswith(_SHARED_AT_ANY_DEPTH):
        return False
    domain = _registrable(one)
    return domain is not None and domain == _registrable(other)


def _registrable(host: str) -> str | None:
    """Return the public suffix of a host and the label before it; None if the host has no such label."""
    # 130 KB, which only a token server on another host than its registry makes necessary.
    from lading._core.exchange.public_suffixes import RULES

    labels = host.split(".")
    if not all(labels):
        return None
    for start in range(len(labels)):
        name, above = ".".join(labels[start:]), ".".join(labels[start + 1 :])
        if f"\n!{name}\n" in RULES:  # an exception is not a suffix, although a rule for `above` says so
            return name
        # The longest rule is the first to fit. Without one, the last label is a suffix.
        if not above or name in _SHARED or f"\n{name}\n" in RULES or f"\n*.{above}\n" in RULES:
            return f"{labels[start - 1]}.{name}" if start else None
    return None
