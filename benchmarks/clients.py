"""The programs that are compared, and what each is told to do for the same work.

A command is a text with fields in braces. `{source}` and `{target}` are images with the tag `1` in registries,
`{layout}` and `{made}` image layouts that are read and written, `{blob}` and `{digest}` one blob of `{source}`, which
is in the repository `{name}`, `{file}` a file to be written, `{repository}` one with many tags, `{few}` one with one
tag, `{tags}` a file with a reference on each line, `{registry}` and `{other}` the addresses of the registries. The work
`tags` is to list the tags of `{name}` and to resolve each: a line for a shell.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Client:
    """A program by the name that it has in tables; `left_out` says for a work why it does not do it.

    One older than `least` is not compared: Debian 12 builds skopeo with a Go that hashes without the instructions that
    the processor has for it. A `package` of Python that is no program is called by one of ours.
    """

    name: str
    program: str
    version: tuple[str, ...]
    commands: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    least: tuple[int, ...] = (0,)
    package: str = ""

    def path(self) -> str | None:
        """Return where the program is, None if it is not installed. Ours and packages are those of this interpreter."""
        if self.package:
            return sys.executable if find_spec(self.package) else None
        if self.program == "lading":
            return str(Path(sys.executable).with_name(self.program))
        return shutil.which(self.program)

    def told(self, options: str) -> Client:
        """Return lading by another name, with options for what it asks of registries."""
        commands = {work: _VERB.sub(rf"\g<0> {options}", command) for work, command in self.commands.items()}
        return replace(self, name=f"{self.name} {options}", commands=commands)

    @property
    def hint(self) -> str:
        """Return how to get it."""
        return "`make bench` installs it" if self.package or self.program == "lading" else "`make peers` builds it"

    def is_outdated(self) -> bool:
        """Return whether it is older than what is compared."""
        numbers = re.findall(r"[0-9]+", self.says())
        return tuple(int(number) for number in numbers) < self.least

    def says(self) -> str:
        """Return which version it says it is."""
        run = subprocess.run([str(self.path()), *self.version], check=True, capture_output=True, text=True)
        lines = [line.strip() for line in run.stdout.splitlines() if line.strip()]
        told = next((line for line in lines if "ersion" in line or "VCSTag" in line), lines[0])
        return told.split()[-1].strip('",')


# The part of a command of lading that options follow.
_VERB = re.compile(r"\blading (?:copy|blob pull|resolve|tags)\b")
# What runs one program for each line of a file, four at a time: none of the others resolves more than one tag a run.
_EACH = "xargs -a {tags} -P 4 -I REF "
# Far away, where each run mostly waits, as many at a time as pay.
_EACH_TAG = "| xargs -P 64 -I TAG "
_NAMES_OF_JSON = "| sed -n 's/^ *\"\\([^ ]*\\)\",\\{{0,1\\}}$/\\1/p' "
_REGCTL = "regctl --host reg={registry},tls=disabled --host reg={other},tls=disabled "
_REGCTL_TLS = "regctl --host reg={registry},tls=enabled "
_CALLS_ORAS_PY = str(Path(__file__).with_name("oras_py.py"))
_ORAS_PY = f"python {shlex.quote(_CALLS_ORAS_PY)} http "
_ORAS_PY_TLS = f"python {shlex.quote(_CALLS_ORAS_PY)} https "

CLIENTS = (
    Client(
        "lading",
        "lading",
        ("--version",),
        {
            "pull": "lading copy {source} oci:{made}:1",
            "push": "lading copy oci:{layout}:1 {target}",
            "copy": "lading copy {source} {target}",
            "blob": "lading blob pull {blob} -o {file}",
            "blob-tls": "lading blob pull https://{blob} -o {file}",
            "resolve": "xargs -a {tags} lading resolve",
            "list": "lading tags {repository}",
            "tags": "lading tags {name} | sed s,^,{name}:, | xargs lading resolve",
            "start": "lading --version",
            "start-tags": "lading tags {few}",
            "start-resolve": "lading resolve {source}",
        },
    ),
    Client(
        "crane",
        "crane",
        ("version",),
        {
            "pull": "crane pull --format=oci {source} {made}",
            "push": "crane push {layout} {target}",
            "copy": "crane copy {source} {target}",
            "blob": "crane blob {blob}",
            "blob-tls": "crane blob {blob}",
            "resolve": _EACH + "crane digest REF",
            "list": "crane ls {repository}",
            "tags": "crane ls {name} " + _EACH_TAG + "crane digest {name}:TAG",
            "start": "crane version",
            "start-tags": "crane ls {few}",
            "start-resolve": "crane digest {source}",
        },
    ),
    Client(
        "oras",
        "oras",
        ("version",),
        {
            "pull": "oras copy --no-tty --from-plain-http --to-oci-layout {source} {made}:1",
            "push": "oras copy --no-tty --from-oci-layout --to-plain-http {layout}:1 {target}",
            "copy": "oras copy --no-tty --from-plain-http --to-plain-http {source} {target}",
            "blob": "oras blob fetch --no-tty --plain-http --output {file} {blob}",
            "blob-tls": "oras blob fetch --no-tty --plain-http=false --output {file} {blob}",
            "resolve": _EACH + "oras resolve --plain-http REF",
            "list": "oras repo tags --plain-http {repository}",
            "tags": "oras repo tags --plain-http {name} " + _EACH_TAG + "oras resolve --plain-http {name}:TAG",
            "start": "oras version",
            "start-tags": "oras repo tags --plain-http {few}",
            "start-resolve": "oras resolve --plain-http {source}",
        },
    ),
    Client(
        "regctl",
        "regctl",
        ("version",),
        {
            "pull": _REGCTL + "image copy {source} ocidir://{made}:1",
            "push": _REGCTL + "image copy ocidir://{layout}:1 {target}",
            "copy": _REGCTL + "image copy {source} {target}",
            "blob": _REGCTL + "blob get {name} {digest}",
            "blob-tls": _REGCTL_TLS + "blob get {name} {digest}",
            "resolve": _EACH + _REGCTL + "image digest REF",
            "list": _REGCTL + "tag ls {repository}",
            "tags": _REGCTL + "tag ls {name} " + _EACH_TAG + _REGCTL + "image digest {name}:TAG",
            "start": "regctl version",
            "start-tags": _REGCTL + "tag ls {few}",
            "start-resolve": _REGCTL + "image digest {source}",
        },
        {"embedded-push": "asks to mount every blob from anywhere first, which this registry does: nothing is sent"},
    ),
    Client(
        "skopeo",
        "skopeo",
        ("--version",),
        {
            "pull": "skopeo --insecure-policy copy -q --src-tls-verify=false docker://{source} oci:{made}:1",
            "push": "skopeo --insecure-policy copy -q --dest-tls-verify=false oci:{layout}:1 docker://{target}",
            "copy": "skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false "
            "docker://{source} docker://{target}",
            "blob": "skopeo --insecure-policy copy -q --src-tls-verify=false docker://{source} dir:{made}",
            "blob-tls": "skopeo --insecure-policy copy -q docker://{source} dir:{made}",
            "resolve": _EACH + "skopeo inspect --tls-verify=false --no-tags --format {{{{.Digest}}}} docker://REF",
            "list": "skopeo list-tags --tls-verify=false docker://{repository}",
            "tags": "skopeo list-tags --tls-verify=false docker://{name} "
            + _NAMES_OF_JSON
            + _EACH_TAG
            + "skopeo inspect --tls-verify=false --no-tags --format {{{{.Digest}}}} docker://{name}:TAG",
            "start": "skopeo --version",
            "start-tags": "skopeo list-tags --tls-verify=false docker://{few}",
            "start-resolve": "skopeo inspect --tls-verify=false --no-tags --format {{{{.Digest}}}} docker://{source}",
        },
        least=(1, 14),
    ),
    Client(
        "oras-py",
        "python",
        (_CALLS_ORAS_PY, "http", "version"),
        {
            "pull": _ORAS_PY + "pull {source} {made}",
            "push": _ORAS_PY + "push {layout} {target}",
            "blob": _ORAS_PY + "blob {blob} {file}",
            "blob-tls": _ORAS_PY_TLS + "blob {blob} {file}",
            "resolve": "xargs -a {tags} " + _ORAS_PY + "resolve",
            "list": _ORAS_PY + "list {repository}",
            "tags": _ORAS_PY + "tags {name}",
            "start": _ORAS_PY + "version",
            "start-tags": _ORAS_PY + "list {few}",
            "start-resolve": _ORAS_PY + "resolve {source}",
        },
        {"copy": "has no method that copies between registries"},
        package="oras",
    ),
)
