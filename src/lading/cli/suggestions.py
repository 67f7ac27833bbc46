"""Suggestions for a verb or an option that lading does not have.

It may be misspelt, or be one of another program: crane, oras, regctl, skopeo or docker.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from lading.cli.commands import VERBS

_VERBS = {
    "add": ("index add", "attach"),
    "artifact get": ("pull",),
    "artifact list": ("referrers",),
    "artifact ls": ("referrers",),
    "artifact put": ("push",),
    "artifact tree": ("referrers --tree",),
    "auth get": ("auth explain",),
    "auth login": ("login",),
    "auth logout": ("logout",),
    "backup": ("copy",),
    "blob copy": ("blob mount", "copy"),
    "blob cp": ("blob mount", "copy"),
    "blob fetch": ("blob pull",),
    "blob get": ("blob pull",),
    "blob get-file": ("cat",),
    "blob head": ("blob exists",),
    "blob put": ("blob push",),
    "blob rm": ("blob delete",),
    "blob upload": ("blob push",),
    "catalog": ("repos",),
    "config": ("inspect",),
    "cp": ("copy",),
    "digest": ("resolve",),
    "discover": ("referrers",),
    "download": ("pull", "blob pull"),
    "edit": ("mutate",),
    "fetch": ("pull", "manifest pull"),
    "gc": ("layout gc",),
    "get": ("pull", "manifest pull"),
    "head": ("resolve",),
    "help": ("--help",),
    "history": ("inspect",),
    "image check-base": ("rebase",),
    "image cp": ("copy",),
    "image create": ("append",),
    "image digest": ("resolve",),
    "image export": ("copy",),
    "image get-file": ("cat",),
    "image import": ("copy",),
    "image manifest": ("manifest pull",),
    "image mod": ("mutate",),
    "image ratelimit": ("ping --limits",),
    "images": ("tags", "repos"),
    "imagetools": ("inspect", "index create"),
    "index append": ("index add",),
    "index delete": ("index remove",),
    "index filter": ("index remove",),
    "index rm": ("index remove",),
    "info": ("inspect",),
    "layers": ("inspect",),
    "list": ("tags", "repos"),
    "list-tags": ("tags",),
    "load": ("copy",),
    "ls": ("tags", "repos", "files"),
    "manifest annotate": ("annotate",),
    "manifest create": ("index create",),
    "manifest diff": ("diff",),
    "manifest digest": ("resolve",),
    "manifest fetch": ("manifest pull",),
    "manifest fetch-config": ("inspect",),
    "manifest get": ("manifest pull",),
    "manifest head": ("resolve",),
    "manifest index": ("index create", "index add"),
    "manifest inspect": ("inspect",),
    "manifest put": ("manifest push",),
    "manifest rm": ("manifest delete",),
    "manifest-digest": ("resolve",),
    "mod": ("mutate",),
    "mount": ("blob mount",),
    "mv": ("copy", "tag"),
    "prune": ("layout gc",),
    "put": ("push", "manifest push"),
    "ratelimit": ("ping --limits",),
    "registry catalog": ("repos",),
    "registry login": ("login",),
    "registry logout": ("logout",),
    "registry serve": ("serve",),
    "registry whoami": ("auth explain",),
    "remove": ("untag", "delete"),
    "repo copy": ("copy --all-tags",),
    "repo list": ("repos",),
    "repo ls": ("repos",),
    "repo tags": ("tags",),
    "repositories": ("repos",),
    "restore": ("copy",),
    "rm": ("untag", "delete"),
    "rmi": ("untag", "delete"),
    "save": ("copy",),
    "sbom": ("evidence",),
    "scan": ("evidence",),
    "search": ("repos",),
    "server": ("serve",),
    "show": ("inspect",),
    "signatures": ("evidence", "referrers"),
    "sync": ("copy --all-tags",),
    "tag add": ("tag",),
    "tag create": ("tag",),
    "tag del": ("untag",),
    "tag delete": ("untag",),
    "tag list": ("tags",),
    "tag ls": ("tags",),
    "tag rm": ("untag",),
    "tags delete": ("untag",),
    "tags list": ("tags",),
    "tags ls": ("tags",),
    "tags rm": ("untag",),
    "tree": ("referrers --tree",),
    "upload": ("push", "blob push"),
    "validate": ("verify",),
    "version": ("--version",),
    "whoami": ("auth explain",),
}
# Words that other programs put before a verb that is ours.
_GROUPS = frozenset(
    {"artifact", "auth", "container", "image", "images", "manifest", "oci", "registry", "repo", "repository"}
)

_OPTIONS = {
    "--all": "--all-tags",
    "--arch": "--platform",
    "--ca-cert": "--ca-file",
    "--cacert": "--ca-file",
    "--cert-dir": "--ca-file",
    "--cert-file": "--cert",
    "--creds": "--user",
    "--debug": "--verbose",
    "--dest-creds": "--user",
    "--dest-tls-verify": "--insecure",
    "--dir": "--output",
    "--file": "--output",
    "--format": "--json",
    "--from-oci-layout": "oci:DIR",
    "--http": "--plain-http",
    "--insecure-skip-tls-verify": "--insecure",
    "--jobs": "--concurrency",
    "--key-file": "--key",
    "--media-type": "--artifact-type",
    "--no-verify": "--insecure",
    "--oci-layout": "oci:DIR",
    "--os": "--platform",
    "--out": "--output",
    "--output-format": "--json",
    "--override-arch": "--platform",
    "--override-os": "--platform",
    "--parallel": "--concurrency",
    "--password": "--password-stdin",
    "--recursive": "--referrers",
    "--retry": "--retries",
    "--retry-times": "--retries",
    "--silent": "--quiet",
    "--skip-tls-verify": "--insecure",
    "--speed-limit": "--min-rate",
    "--src-creds": "--user",
    "--src-tls-verify": "--insecure",
    "--tls-verify": "--insecure",
    "--to-oci-layout": "oci:DIR",
    "--username": "--user",
}


def verbs_like(first: str, second: str = "") -> tuple[str, ...]:
    """Return the verbs that a word, or two, may stand for, the likeliest first; none if there is nothing like it."""
    both = f"{first} {second}"
    if both in _VERBS:
        return _VERBS[both]
    if second and first in _GROUPS and (second in VERBS or second in _VERBS):
        return _VERBS.get(second, (second,))
    if first in _VERBS:
        return _VERBS[first]
    group = [verb.partition(" ")[2] for verb in VERBS if verb.startswith(f"{first} ")]
    if group:
        return tuple(f"{first} {close}" for close in get_close_matches(second, group, 1)) or _VERBS.get(second, ())
    return tuple(get_close_matches(first, VERBS, 1))


def option_like(option: str, known: Collection[str]) -> str | None:
    """Return the option, of those that a verb has, that another text may stand for."""
    meant = _OPTIONS.get(option)
    if meant is not None and (meant in known or not meant.startswith("-")):
        return meant
    close = get_close_matches(f"--{option.lstrip('-')}", known, 1, 0.7)
    return close[0] if close else None
