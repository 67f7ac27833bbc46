"""Registrable domains (public suffix rules): host names with one owner.

The general rule needs no list: the last two labels are equal, or three below a country's second level such as `co.uk`.
The tables below have the clouds that hand out names to their customers and host registries or token servers, from the
private section of https://publicsuffix.org/list/: the whole list has 15,000 lines, which change every week.
"""

from __future__ import annotations

# Names directly below these have different owners: acme.azurecr.io and evil.azurecr.io.
_SHARED = frozenset(
    {
        "appspot.com",
        "azurecr.io",
        "azurewebsites.net",
        "cloudfront.net",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "netlify.app",
        "pages.dev",
        "pkg.dev",
        "vercel.app",
        "workers.dev",
    }
)
# Names at several levels below these have different owners, behind regions and services:
# NAME.s3.us-east-1.amazonaws.com, NAME-uc.a.run.app, NAME.blob.core.windows.net, NAME.westeurope.azurecontainer.io,
# NAME.westeurope.cloudapp.azure.com.
_SHARED_AT_ANY_DEPTH = ("amazonaws.com", "azurecontainer.io", "cloudapp.azure.com", "run.app", "windows.net")


def same_domain(one: str, other: str) -> bool:
    """Return whether two host names belong to one owner."""
    a, b = one.split(".")[::-1], other.split(".")[::-1]
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    if shared < 2 or not all((*a, *b)):
        return False
    if a == b:
        return True
    suffix = ".".join(a[:shared][::-1])
    if suffix in _SHARED or f".{suffix}".endswith(tuple(f".{cloud}" for cloud in _SHARED_AT_ANY_DEPTH)):
        return False
    country_level = len(a[0]) == 2 and len(a[1]) <= 3
    return shared >= (3 if country_level and min(len(a), len(b)) > 2 else 2)
