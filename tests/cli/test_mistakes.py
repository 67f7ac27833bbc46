"""The table of mistakes: command line in, exit code and message out.

A row has an id, what is typed after `lading`, the exit code, and the first line on stderr without its `lading: `. In
that line and in the hint, … stands for any text. A row without a hint is one whose message is enough: no hint follows
it. Names in braces are those of `tests/cli/places.py`; the files named there are in the current directory.

A mistake prints nothing on stdout. Rows with exit code 0 are what looks like a mistake and is right: `out` is the
whole of stdout then.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lading.cli.main import main
from tests.cli.places import PASSWORD, places
from tests.support.systems import HAS_LINKS, IS_DIRECTORY, WINDOWS, not_under_wine, posix_only

WILD = "…"
OPENED_DIRECTORY = "Permission denied" if WINDOWS else "Is a directory"
OTHER_IMAGE = "{amd64} is an image for linux/amd64, not for linux/arm64"
IN_THE_WAY = "cannot create the directory 'f': exists and is not a directory"
NO_LAYOUT = "is not an OCI image layout: it has no file oci-layout"
NOT_COMPUTED = "digest algorithm 'md5' cannot be computed: use sha256 or sha512"
PAGE = "the manifest is an HTML or XML page: is this a registry?"


class Row(NamedTuple):
    """One command line, and what comes of it."""

    id: str
    typed: str
    code: int
    message: str
    hint: str = ""
    stdin: str = ""
    out: str = ""


def usage(identifier: str, typed: str, message: str, stdin: str = "") -> Row:
    """Make the row of a fault that the parser of a verb finds: `message` begins with the verb, the hint is its help."""
    verb = message.partition(":")[0]
    return Row(identifier, typed, 2, f"lading {message}", f"lading {verb} --help", stdin)


VERBS = [
    Row("no verb", "", 2, "a verb is missing", "lading --help"),
    Row("options alone", "--json", 2, "a verb is missing", "lading --help"),
    Row("misspelt", "pusk {app}:v1 f", 2, "unknown verb 'pusk': did you mean 'push'?", "lading push --help"),
    Row("nothing like it", "frobnicate", 2, "unknown verb 'frobnicate'", "lading --help"),
    Row("catalog", "catalog {registry}", 2, "unknown verb 'catalog': did you mean 'repos'?", "lading repos --help"),
    Row("version", "version", 2, "unknown verb 'version': did you mean '--version'?", "lading --help"),
    Row("help", "help tags", 2, "unknown verb 'help': did you mean '--help'?", "lading --help"),
    Row("ls", "ls {app}", 2, "unknown verb 'ls': did you mean 'tags', 'repos' or 'files'?", "lading tags --help"),
    Row("list", "list {app}", 2, "unknown verb 'list': did you mean 'tags' or 'repos'?", "lading tags --help"),
    Row("rm", "rm {app}:v1", 2, "unknown verb 'rm': did you mean 'untag' or 'delete'?", "lading untag --help"),
    Row("cp", "cp {app}:v1 oci:x", 2, "unknown verb 'cp': did you mean 'copy'?", "lading copy --help"),
    Row(
        "digest of crane",
        "digest {app}:v1",
        2,
        "unknown verb 'digest': did you mean 'resolve'?",
        "lading resolve --help",
    ),
    Row(
        "validate of crane",
        "validate {app}:v1",
        2,
        "unknown verb 'validate': did you mean 'verify'?",
        "lading verify --help",
    ),
    Row(
        "discover of oras",
        "discover {app}:v1",
        2,
        "unknown verb 'discover': did you mean 'referrers'?",
        "lading referrers --help",
    ),
    Row(
        "image copy of regctl", "image copy a b", 2, "unknown verb 'image': did you mean 'copy'?", "lading copy --help"
    ),
    Row(
        "list-tags of skopeo",
        "list-tags {app}",
        2,
        "unknown verb 'list-tags': did you mean 'tags'?",
        "lading tags --help",
    ),
    Row("save of docker", "save {app}:v1", 2, "unknown verb 'save': did you mean 'copy'?", "lading copy --help"),
    Row("tags list", "tags list {app}", 2, "unknown verb 'tags list': did you mean 'tags'?", "lading tags --help"),
    Row("tag rm", "tag rm {app}:v1", 2, "unknown verb 'tag rm': did you mean 'untag'?", "lading untag --help"),
    Row(
        "manifest get",
        "manifest get {app}:v1",
        2,
        "lading manifest: unknown verb 'manifest get': did you mean 'manifest pull'?",
        "lading manifest pull --help",
    ),
    Row(
        "auth login",
        "auth login {basic}",
        2,
        "lading auth: unknown verb 'auth login': did you mean 'login'?",
        "lading login --help",
    ),
    Row(
        "half of it right",
        "layout prune layout",
        2,
        "lading layout: unknown verb 'layout prune': did you mean 'layout gc'?",
        "lading layout gc --help",
    ),
    usage("half a verb", "blob", "blob: a verb is missing: pull, push, exists, mount, delete"),
]

REFERENCES = [
    Row(
        "upper case",
        "resolve {registry}/Acme/app:v1",
        2,
        "invalid reference '{registry}/Acme/app:v1' at character …: a repository name is in lower case, not 'A'",
    ),
    Row(
        "no name", "resolve {registry}/", 2, "invalid reference '{registry}/' at its end: a repository name is missing"
    ),
    Row("nothing", "resolve ''", 2, "invalid reference '' at its end: a repository name is missing"),
    Row(
        "slash at the end",
        "tags {app}/",
        2,
        "invalid reference '{app}/' at its end: a repository name ends with a letter or a digit, not '/'",
    ),
    Row(
        "password in it",
        "resolve alice:secret@{app}:v1",
        2,
        "invalid reference '***@{app}:v1' at character 1: a reference has no user name or password, …",
    ),
    Row(
        "another scheme",
        "resolve ftp://{app}:v1",
        2,
        "invalid reference 'ftp://{app}:v1' at character 1: …docker://…http://…https://…",
    ),
    Row(
        "oci:// before a registry",
        "push oci://ghcr.io/acme/app:v1 f",
        2,
        "…: leave out oci:// before a registry; a path follows oci: directly",
    ),
    Row("oci:// before a registry to log in to", "login oci://ghcr.io", 2, "…: leave out oci:// before a registry"),
    Row("md5 of a layout", "copy {app}:v1 oci:x@md5:00", 2, NOT_COMPUTED),
    Row("dir: of skopeo", "copy {app}:v1 dir:/x", 2, "…: the transport 'dir' is not supported: use oci:/x"),
    Row(
        "containers-storage:",
        "copy {app}:v1 containers-storage:foo",
        2,
        "…: the transport 'containers-storage' is not supported: use podman save, and docker-archive:FILE",
    ),
    Row(
        "docker-daemon:",
        "copy docker-daemon:foo:v1 oci:x",
        2,
        "…: the transport 'docker-daemon' is not supported: use docker save, and docker-archive:FILE",
    ),
    Row("ocidir:// of regctl", "inspect ocidir://x", 2, "…: the transport 'ocidir' is not supported: use oci:x"),
    Row("absolute path", "copy {app}:v1 /tmp/x", 2, "…: for a directory, did you mean oci:/tmp/x?"),
    Row("relative path", "inspect ./layout", 2, "…: for a directory, did you mean oci:./layout?"),
    Row(
        "name of an archive",
        "copy {app}:v1 x.tar",
        2,
        "…: for a file, did you mean oci-archive:x.tar or docker-archive:x.tar?",
    ),
    Row("repository for a registry", "repos {app}", 2, "…: a registry is expected: leave out what follows the host"),
    Row("layout to ping", "ping oci:layout", 2, "…: a registry is expected, not a location on disk"),
    Row("repository to ping", "ping {app}", 2, "…: a registry is expected: leave out what follows the host"),
    Row("tag for a repository", "tags {app}:v1", 2, "…: a repository is expected: leave out the tag or digest"),
    Row(
        "tag to copy all from",
        "copy {app}:v1 oci:new --all-tags",
        2,
        "…: a repository is expected: leave out the tag or digest",
    ),
    Row(
        "layout for a registry",
        "blob mount oci:layout@{none}",
        2,
        "'oci:layout@{none}' is on disk: this verb needs a reference to a registry",
    ),
    Row(
        "registry to mount from",
        "blob mount {app}@{none} --from {app}",
        2,
        "invalid repository name '{app}' at character …: ':' cannot stand in a repository name",
    ),
    Row(
        "no such repository",
        "tags {registry}/acme/none",
        3,
        "{registry} has no repository acme/none",
        "check the name, or log in if it is private: lading login {registry}",
    ),
]

TAGS_AND_DIGESTS = [
    Row("misspelt tag", "resolve {app}:v9", 3, "{app} has no tag 'v9'", "lading tags {app}"),
    Row("misspelt tag to pull", "pull {app}:v9", 3, "{app} has no tag 'v9'", "lading tags {app}"),
    Row("misspelt tag to tag", "tag {app}:v9 v3", 3, "{app} has no tag 'v9'", "lading tags {app}"),
    Row("misspelt tag to untag", "untag {app}:v9", 3, "{app} has no tag 'v9'", "lading tags {app}"),
    Row(
        "misspelt tag to copy",
        "copy {app}:v9 oci:new:x",
        3,
        "cannot resolve v9 in {app}: {app} has no tag 'v9'",
        "lading tags {app}",
    ),
    Row("no tag and no latest", "inspect {app}", 3, "{app} has no tag 'latest'", "lading tags {app}"),
    Row("no such digest", "resolve {app}@{none}", 3, "{app} has no manifest {none}"),
    Row("no such blob", "blob pull {app}@{none}", 3, "{app} has no blob {none}"),
    Row("no such blob in a layout", "blob pull oci:layout@{none}", 3, "oci:layout has no blob {none}"),
    Row("manifest not in a layout", "manifest pull oci:layout:v9", 3, "oci:layout has no tag 'v9'…"),
    Row("blob of an absent layout", "blob pull oci:absent@{none}", 3, "OCI image layout 'absent' does not exist"),
    Row("manifest that does not exist", "manifest exists {app}:v9", 3, ""),
    Row("blob that does not exist", "blob exists {app}@{none}", 3, ""),
    Row("empty tag", "resolve {app}:", 2, "invalid reference '{app}:' at its end: a tag is missing"),
    Row(
        "two tags",
        "resolve {app}:v1:v2",
        2,
        "invalid reference '{app}:v1:v2' at character …: ':' cannot stand in a tag",
    ),
    Row(
        "space in a tag",
        "resolve '{app}:v 1'",
        2,
        "invalid reference '{app}:v 1' at character …: ' ' cannot stand in a tag",
    ),
    Row("slash in a tag", "tag {app}:v1 bad/tag", 2, "invalid tag 'bad/tag' at character 4: '/' cannot stand in a tag"),
    Row(
        "short digest",
        "resolve {app}@sha256:abc",
        2,
        "invalid reference '{app}@sha256:abc' at its end: …sha256 needs 64 lower-case hexadecimal digits…",
    ),
    Row("empty digest", "resolve {app}@", 2, "invalid reference '{app}@' at its end: …not ALGORITHM:ENCODED…"),
    Row("tag for a blob", "blob pull {app}:v1", 2, "'{app}:v1' does not name a blob: write REPOSITORY@DIGEST"),
    Row("layout for a blob", "blob pull oci:layout", 2, "'oci:layout' does not name a blob: write oci:PATH@DIGEST"),
    Row("tag and digest for a blob", "blob pull oci:layout:v1@{none}", 2, "oci:layout:v1: leave the tag out"),
    Row("short digest for a blob", "blob exists oci:layout@sha256:12", 2, "invalid digest 'sha256:12': …"),
    Row("tag for a repository of blobs", "blob push oci:layout:v1 man.json", 2, "oci:layout:v1: leave the tag out"),
    Row(
        "tag to delete",
        "delete {app}:v1",
        2,
        "{app}:v1: a manifest is deleted with all of its tags: name it by its digest alone, …`resolve`…`untag`…",
    ),
    Row(
        "digest to untag",
        "untag {app}@{amd64}",
        2,
        "…: a tag is removed by its name: leave out the digest, or use `delete` for the manifest",
    ),
    Row("nothing to untag", "untag {app}", 2, "{app}: name the tag to remove, such as {app}:latest"),
    Row(
        "digest that does not change",
        "annotate {app}@{amd64} --annotation a=b",
        2,
        "a digest cannot change what it names: give the destination of the new manifest with --to",
    ),
    Row(
        "no tag fits",
        "copy {app} oci:new --all-tags 'none*'",
        3,
        "cannot list tags of {app}: no tag matches 'none*'",
    ),
]

PLATFORMS = [
    Row(
        "not in the index",
        "inspect {app}:multi --platform linux/s390x",
        3,
        "{app}: the index has no manifest for linux/s390x: it has 'linux/amd64', 'linux/arm64'",
    ),
    Row(
        "not in the index, of files",
        "files {app}:multi --platform linux/s390x",
        3,
        "{app}: the index has no manifest for linux/s390x: it has 'linux/amd64', 'linux/arm64'",
    ),
    Row(
        "not in the index, to copy",
        "copy {app}:multi oci:new:x --platform linux/s390x",
        3,
        "cannot copy …: the index has no manifest for linux/s390x: it has 'linux/amd64', 'linux/arm64'",
    ),
    Row(
        "not in the index, to annotate",
        "annotate {app}:multi --to {app}:x --annotation a=b --platform linux/s390x",
        3,
        "{app}: the index has no manifest for linux/s390x: it has 'linux/amd64', 'linux/arm64'",
    ),
    Row(
        "misspelt",
        "inspect {app}:multi --platform linus/amd64",
        3,
        "{app}: the index has no manifest for linus/amd64: it has 'linux/amd64', 'linux/arm64'",
    ),
    Row(
        "of another image",
        "mutate {app}:v1 --to {app}:x --env A=b --platform linux/s390x",
        3,
        "{app}: {amd64} is an image for linux/amd64, not for linux/s390x",
    ),
    *(
        Row(f"of a single image, {verb}", f"{typed} --platform linux/arm64", 3, f"{where}{OTHER_IMAGE}")
        for verb, typed, where in [
            ("files", "files {app}:v1", "{app}: "),
            ("cat", "cat {app}:v1 /etc/motd", "{app}: "),
            ("export", "export {app}:v1 -o new.tar", "{app}: "),
            ("export to a directory", "export {app}:v1 -o new", "{app}: "),
            ("inspect", "inspect {app}:v1", "{app}: "),
            ("diff", "diff {app}:v1 {app}:v2", "{app}: "),
            ("resolve", "resolve {app}:v1", "{app}: "),
            ("evidence", "evidence {app}:v1", "{app}: "),
            ("referrers", "referrers {app}:v1", "{app}: "),
            ("referrers as a tree", "referrers {app}:v1 --tree", "{app}: "),
            ("attach", "attach {app}:v1 f --artifact-type text/plain", "{app}: "),
            ("pull", "pull {app}:v1 -o new", "{app}: "),
            ("manifest pull", "manifest pull {app}:v1", "{app}: "),
            ("manifest pull to a file", "manifest pull {app}:v1 -o new", "{app}: "),
            ("append", "append {app}:v1 dir --to oci:new:x", "{app}: "),
            ("flatten", "flatten {app}:v1 --to oci:new:x", "{app}: "),
            ("annotate", "annotate {app}:v1 --to oci:new:x --annotation a=b", "{app}: "),
            ("copy", "copy {app}:v1 oci:new:x", "cannot copy {amd64} from {app}: {app}: "),
            ("copy an archive", "copy oci-archive:oci.tar:v1 oci:new:x", "cannot copy {amd64} from …: …: "),
            ("copy a list of", "copy {app}:v1 oci:new:x --platform linux/amd64", "cannot copy {amd64} from …: …: "),
        ]
    ),
    *(
        Row(
            f"of an artifact, {typed.split()[0]}",
            f"{typed} --platform linux/arm64",
            3,
            "…: {report} is not an image for linux/arm64: it is not an index, and its config states no platform",
            "name it without a platform (--platform)",
        )
        for typed in (
            "pull {app}:report -o new",
            "copy {app}:report oci:new:x",
            "resolve {app}:report",
            "inspect {app}:report",
            "attach {app}:report f --artifact-type text/plain",
        )
    ),
    usage(
        "all of them",
        "copy {app}:multi oci:new:x --platform all",
        "copy: argument --platform: 'all' is not a platform: leave --platform out for all of an index",
    ),
    usage(
        "a list of them",
        "copy {app}:multi oci:new:x --platform linux/amd64,linux/arm64",
        "copy: argument --platform: 'linux/amd64,linux/arm64' is not one platform: give --platform once for each",
    ),
    Row(
        "twice the same", "copy {app}:multi oci:new:x --platform linux/amd64 --platform linux/x86_64", 0, "", out="…\n"
    ),
    Row(
        "an index for a docker-archive",
        "copy {app}:multi docker-archive:new.tar:a/b:c --platform linux/amd64 --index rewritten",
        1,
        "cannot …: … is an index, and the destination takes one image: give one platform, without `index` (--index)",
    ),
    Row(
        "to remove, not in the index",
        "index remove {app}:multi linux/s390x --to {app}:x",
        3,
        "{app}:multi has no entry for linux/s390x",
    ),
    usage(
        "empty",
        "inspect {app}:multi --platform ''",
        "inspect: argument --platform: invalid platform '': write …, such as linux/arm64",
    ),
    usage(
        "too long",
        "index create {app}:x linux/riscv/64/x=v1",
        "index create: argument [PLATFORM=]MANIFEST: invalid platform 'linux/riscv/64/x': …",
    ),
    Row("missing for scratch", "append scratch dir --to {app}:x", 2, "scratch has no platform: give one --platform"),
    Row(
        "image for an index",
        "index add {app}:v1 v2 --to {app}:x",
        1,
        "{amd64} is application/vnd.oci.image.manifest.v1+json (ImageManifest), expected ImageIndex",
    ),
    Row(
        "two images for one platform",
        "index create {app}:x linux/amd64=v2 v1",
        1,
        "{arm64} and {amd64} are both for linux/amd64: name one of them",
        "index add replaces the entry for a platform in an index that exists",
    ),
    Row(
        "to remove, without its system",
        "index remove {app}:multi arm64",
        3,
        "…arm64…",
        "lading tags {app}\nfor the entry of a platform, give platforms='arm64' (--platform arm64)",
    ),
    Row("nothing to remove", "index remove {app}:multi", 2, "nothing to remove: name an ENTRY, such as linux/arm64"),
]

OPTIONS = [
    usage(
        "not a time",
        "mutate {app}:v1 --to {app}:x --created today",
        "mutate: argument --created: 'today' is not a time such as 2026-01-31T12:00:00Z",
    ),
    usage(
        "open quotation mark",
        'mutate {app}:v1 --to {app}:x --cmd "a \'b"',
        'mutate: argument --cmd: "a \'b" is not a command line: No closing quotation',
    ),
    Row(
        "not a port to expose",
        "mutate {app}:v1 --to {app}:x --expose http",
        2,
        "'http' is not a port: write PORT, PORT/tcp, PORT/udp or PORT/sctp",
    ),
    Row(
        "not a variable",
        "mutate {app}:v1 --to {app}:x --env-remove a=b",
        2,
        "'a=b' is not the name of an environment variable",
    ),
    usage("not a kind", "evidence {app}:v1 --kind sig", "evidence: argument --kind: invalid choice: 'sig' …"),
    Row(
        "--set-base on scratch",
        "append scratch dir --to {app}:x --platform linux/amd64 --set-base",
        2,
        "--set-base needs an image as base, not scratch",
    ),
    Row("before the verb", "--json tags {registry}/acme/one", 0, "", out='{{"tag": "v1"}}\n'),
    Row("with a value before the verb", "--timeout 5 tags {registry}/acme/one", 0, "", out="v1\n"),
    Row("no minimum rate", "tags {registry}/acme/one --min-rate 0", 0, "", out="v1\n"),
    Row("a high minimum rate", "tags {registry}/acme/one --min-rate 1e9", 0, "", out="v1\n"),
    Row("between the words of a verb", "manifest -q exists {app}:v1", 0, ""),
    Row(
        "before an argument that it could take",
        "copy {registry}/acme/one --all-tags oci:new",
        0,
        "",
        out="{amd64}  v1\n",
    ),
    usage("misspelt", "tags {app} --jsn", "tags: unknown option '--jsn': did you mean '--json'?"),
    usage("one dash", "tags {app} -json", "tags: unknown option '-json': did you mean '--json'?"),
    usage(
        "one dash, and a short one fits",
        "pull {app}:v1 -output d",
        "pull: unknown option '-output': did you mean '--output'?",
    ),
    usage("nothing like it", "tags {app} --frobnicate", "tags: unknown option '--frobnicate'"),
    usage(
        "of skopeo",
        "pull {app}:v1 --tls-verify=false",
        "pull: unknown option '--tls-verify': did you mean '--insecure'?",
    ),
    usage(
        "of docker",
        "login {basic} -u alice --password secret",
        "login: unknown option '--password': did you mean '--password-stdin'?",
    ),
    usage(
        "misspelt, and an argument is missing",
        "copy --platfrom linux/amd64",
        "copy: unknown option '--platfrom': did you mean '--platform'?",
    ),
    usage("argument missing", "copy {app}:v1", "copy: the following arguments are required: DESTINATION"),
    usage("argument too many", "tags {app} b", "tags: unexpected argument 'b'"),
    usage("value missing", "tags {app} --timeout", "tags: argument --timeout: expected one argument"),
    usage(
        "not a number", "tags {app} --timeout abc", "tags: argument --timeout: 'abc' is not a number of seconds above 0"
    ),
    usage(
        "a rate below 0",
        "pull {app}:v1 --min-rate -1",
        "pull: argument --min-rate: '-1' is not a number of bytes a second, 0 or more",
    ),
    usage(
        "a rate with a unit",
        "copy {app}:v1 oci:x --min-rate 10k",
        "copy: argument --min-rate: '10k' is not a number of bytes a second, 0 or more",
    ),
    usage(
        "a rate that is not a number",
        "tags {app} --min-rate nan",
        "tags: argument --min-rate: 'nan' is not a number of bytes a second, 0 or more",
    ),
    usage("zero", "tags {app} --concurrency 0", "tags: argument --concurrency: '0' is not a whole number above 0"),
    usage("floor below zero", "tags {app} --floor -1", "tags: argument --floor: '-1' is not a whole number, 0 or more"),
    usage("below zero", "tags {app} --retries -1", "tags: argument --retries: '-1' is not a whole number, 0 or more"),
    usage("beyond the limit", "pull {app}:v1 --ranges 17", "pull: argument --ranges: '17' is more than 16"),
    usage("not a port", "serve --port 70000", "serve: argument --port: '70000' is not a port"),
    usage(
        "not a choice", "convert {app}:v1 --to {app}:x --form v2", "convert: argument --form: invalid choice: 'v2' …"
    ),
    usage("header without a name", "tags {app} --header secret", "tags: argument --header: write NAME: VALUE"),
    usage(
        "header of the transport",
        "tags {app} --header 'Host: x'",
        "tags: argument --header: header Host is set by lading itself",
    ),
    usage(
        "annotation without a value",
        "push {app}:x f --annotation novalue",
        "push: argument --annotation: 'novalue' is not KEY=VALUE",
    ),
    Row("annotation twice", "push {app}:x f --annotation a=1 --annotation a=2", 2, "the annotation 'a' is given twice"),
    usage(
        "not a media type",
        "push {app}:x f --artifact-type text",
        "push: argument --artifact-type: invalid media type 'text': …",
    ),
    usage(
        "required option missing", "attach {app}:v1 f", "attach: the following arguments are required: --artifact-type"
    ),
    Row("depth without tree", "referrers {app}:v1 --depth 3", 2, "--depth needs --tree"),
    Row(
        "rewritten without platform",
        "copy {app}:multi oci:new --index rewritten",
        2,
        "--index rewritten needs --platform, which chooses the entries",
    ),
    Row(
        "sparse without platform",
        "copy {app}:multi oci:new --index sparse",
        2,
        "--index sparse needs --platform, which chooses the entries",
    ),
    Row(
        "nothing to change",
        "mutate {app}:v1 --to {app}:x",
        2,
        "nothing to change: give --env, --label, --entrypoint or another such option",
    ),
    Row(
        "nothing to attach",
        "attach {app}:v1 --artifact-type a/b",
        2,
        "nothing to attach: give a FILE or an --annotation",
    ),
    Row(
        "key of a signature",
        "verify --key cosign.pub {app}:v1",
        2,
        "verify compares content with digests, not with signatures: --key is the key of --cert",
        "cosign verify --key cosign.pub {app}:v1",
    ),
    Row(
        "config that is a file",
        "tags {app} --config f",
        2,
        "--config 'f' is not a directory: name the directory of config.json",
    ),
    Row(
        "json and content on stdout",
        "manifest pull {app}:v1 --json",
        2,
        "--json describes the file that -o FILE writes: without -o, stdout has the content",
    ),
]

FILES = [
    Row("missing", "push {app}:x nofile", 1, "cannot read 'nofile': No such file or directory"),
    Row("missing manifest", "manifest push {app}:x nofile", 1, "cannot read 'nofile': No such file or directory"),
    Row("directory for a manifest", "manifest push {app}:x dir", 1, f"cannot read 'dir': {OPENED_DIRECTORY}"),
    Row("directory for a blob", "blob push {app} dir", 1, f"cannot read 'dir': {IS_DIRECTORY}"),
    Row("pipe", "push {app}:x fifo", 1, "cannot read 'fifo': not a regular file"),
    Row(
        "stdin as a file",
        "push {app}:x -",
        2,
        "stdin cannot be a file of an artifact: name a FILE, or use `lading blob push REPOSITORY -`",
    ),
    Row(
        "the same twice",
        "push {app}:x f f",
        1,
        "two files of one artifact have the title 'f': give one of them another",
    ),
    Row(
        "file before the reference",
        "push f {app}:x",
        2,
        "'f' is a file: REF is the first argument, the files follow it",
    ),
    usage(
        "media type that is none",
        "push {app}:x f:text/plain/x",
        "push: argument FILE[:MEDIATYPE]: invalid media type 'text/plain/x': …",
    ),
    Row(
        "text for a manifest",
        "manifest push {app}:x text.json",
        1,
        "cannot push 'text.json': manifest is not JSON: Expecting value at line 1, column 1",
    ),
    Row(
        "list for a manifest",
        "manifest push {app}:x list.json",
        1,
        "cannot push 'list.json': manifest is invalid: $: Expected `object`",
    ),
    Row("bytes for a manifest", "manifest push {app}:x binary", 1, "cannot push 'binary': manifest is not UTF-8: …"),
    Row(
        "text on stdin for a manifest",
        "manifest push {app}:x -",
        1,
        "cannot push '-': manifest is not JSON: …",
        stdin="text",
    ),
    Row("manifest without a type", "manifest push {app}:x nomt.json", 1, "cannot push 'nomt.json': …mediaType…"),
    Row(
        "manifest of another digest",
        "manifest push {app}@{none} man.json",
        5,
        "cannot push 'man.json': …{none}…{amd64}",
    ),
    Row(
        "files of another digest",
        "push {app}@{none} f",
        5,
        "the manifest of these files is …, not {none}: nothing was pushed",
    ),
    Row(
        "text for a layer",
        "append {app}:v1 f --to {app}:x",
        1,
        "'f' cannot be a layer: it is neither a directory nor a tar archive, plain or compressed",
    ),
    Row(
        "output is a directory",
        "blob pull {app}@{amd64} -o dir",
        2,
        "cannot write 'dir': is a directory: name a file in it",
    ),
    Row(
        "output is a socket",
        "manifest pull {app}:v1 -o socket",
        2,
        "cannot write 'socket': exists and is not a regular file: use > to write to it",
    ),
    Row("output directory is a file", "pull {app}:report -o f", 1, IN_THE_WAY),
    Row(
        "output directory below a file",
        "pull {app}:report -o f/x",
        1,
        IN_THE_WAY,
    ),
    Row(
        "export to a directory below a file",
        "export {app}:v1 -o f/x",
        1,
        "cannot create the directory '…/f': exists and is not a directory",
    ),
    Row("layout is a file", "copy {app}:v1 oci:f", 1, f"cannot write oci:f: {IN_THE_WAY}"),
    Row("planned layout is a file", "copy --dry-run {app}:v1 oci:f/x", 1, f"cannot write oci:f/x: {IN_THE_WAY}"),
    Row("layout to read is a file", "resolve oci:f:v1", 1, "'f' is not an OCI image layout: it is not a directory"),
    Row(
        "forbidden output directory",
        "pull {app}:report -o /proc/x",
        1,
        "cannot create the directory '/proc/x': No such file or directory",
    ),
    Row(
        "forbidden output file",
        "manifest pull {app}:v1 -o /proc/x",
        1,
        "cannot write '/proc/x': No such file or directory",
    ),
    Row(
        "forbidden output archive",
        "export {app}:v1 -o /proc/x.tar",
        1,
        "cannot write '/proc/x.tar': No such file or directory",
    ),
    Row(
        "forbidden output blob",
        "blob pull {app}@{amd64config} -o /proc/x",
        1,
        "cannot write '/proc/x': No such file or directory",
    ),
    Row(
        "forbidden layout",
        "copy {app}:v1 oci:/proc/x",
        1,
        "cannot write blob … to oci:/proc/x: cannot create the directory '/proc/x': No such file or directory",
    ),
    Row("output directory with files", "export {app}:v1 -o dir", 1, "cannot write 'dir': …"),
    Row(
        "compressed archive",
        "export {app}:v1 -o x.tar.gz",
        2,
        "cannot write 'x.tar.gz': archives are not compressed: end the name in .tar, or use a pipe",
    ),
    Row(
        "privileged archive",
        "export {app}:v1 -o x.tar --privileged",
        2,
        "--privileged is for a directory: an archive always has owners and devices",
    ),
    Row("file that the image lacks", "cat {app}:v1 /nope", 3, "{app} has no file '/nope' in image {amd64}"),
    Row("path that the image lacks", "files {app}:v1 /nope", 3, "{app} has no path '/nope' in image {amd64}"),
]

ANSWERS = [
    Row("site for a registry", "ping {page}", 1, "{page}: responded with an HTML page: is this a registry?"),
    Row(
        "site for tags",
        "tags {page}/app",
        1,
        "GET {page}/app tags/list: responded with an HTML page, expected a JSON tag list: is this a registry?",
    ),
    Row(
        "site for repositories",
        "repos {page}",
        1,
        "GET {page}/v2/_catalog: responded with an HTML page, expected a JSON repository list: is this a registry?",
    ),
    Row("site for a manifest", "resolve {page}/app:v1", 1, f"{{page}}/app:v1: {PAGE}"),
    Row("site for an artifact", "pull {page}/app:v1", 1, f"{{page}}/app:v1: {PAGE}"),
    Row("site for an image", "files {page}/app:v1", 1, f"{{page}}/app:v1: {PAGE}"),
    Row(
        "site to copy from",
        "copy {page}/app:v1 oci:x",
        1,
        f"cannot resolve v1 in {{page}}/app: {{page}}/app:v1: {PAGE}",
    ),
    Row(
        "site for a blob",
        "blob pull {page}/app@{none}",
        5,
        "content of {none} is damaged: its digest is …",
        "GET {page}/app blobs/{none} responded with an HTML page: is this a registry?",
    ),
    Row(
        "site without such a page",
        "tags {page404}/app",
        1,
        "GET {page404}/app tags/list: 404: responded with a web page (Welcome): is this a registry?",
    ),
    *(
        Row(
            f"site that says no to {verb}",
            f"{verb} {{page404}}/app{rest}",
            1,
            f"…{{page404}}/app {what}: 404: responded with a web page{title}: is this a registry?",
        )
        for verb, rest, what, title in (
            ("resolve", ":v1", "manifests/v1", ""),
            ("manifest exists", ":v1", "manifests/v1", ""),
            ("manifest pull", ":v1", "manifests/v1", " (Welcome)"),
            ("blob exists", "@{none}", "blobs/{none}", ""),
            ("referrers", "@{none}", "referrers/{none}", " (Welcome)"),
            ("untag", ":v1", "manifests/v1", " (Welcome)"),
        )
    ),
    *(
        Row(
            f"site that says yes to {verb}",
            f"{verb} {{page}}/app{rest}",
            1,
            f"{{page}}/app: deletion of {what}: responded with 200, but it is still there: is this a registry?",
            "a registry may take its time to delete: look again in a while",
        )
        for verb, rest, what in (
            ("untag", ":v1", "manifest v1"),
            ("blob delete", "@{none}", "blob {none}"),
        )
    ),
    Row("site to delete at", "delete {page}/app@{none}", 1, f"{{page}}/app@{{none}}: {PAGE}"),
    Row(
        "site with every blob",
        "blob exists {page}/app@{none}",
        1,
        "HEAD {page}/app blobs/{none}: responded with an HTML page: is this a registry?",
    ),
    Row("site with every manifest", "manifest exists {page}/app:v1", 1, f"{{page}}/app:v1: {PAGE}"),
    Row("site with every referrer", "referrers {page}/app@{none}", 1, f"…: {PAGE}"),
    *(
        Row(f"{verb} of a digest that cannot be computed", f"{verb} {{app}}@md5:00", 2, NOT_COMPUTED)
        for verb in (
            "resolve",
            "referrers",
            "evidence",
            "inspect",
            "verify",
            "pull",
            "delete",
            "manifest exists",
            "manifest pull",
            "blob exists",
            "blob pull",
            "blob delete",
        )
    ),
    Row(
        "JSON for tags",
        "tags {json}/app",
        1,
        "GET {json}/app tags/list: invalid tag list in the response: …: is this a registry?",
    ),
    Row("JSON for a manifest", "manifest pull {json}/app:v1", 1, "{json}/app:v1: not a manifest: …mediaType…"),
    Row("failure", "tags {broken}/app --retries 0", 1, "{broken}/app: list of tags failed: 500: boom"),
    Row(
        "too many requests",
        "tags {busy}/app --retries 0",
        1,
        "{busy}/app: list of tags refused: 429: too many requests",
        "{busy} asks to wait 7 seconds",
    ),
    Row("denied", "tags {denying}/app", 4, "{denying}/app: list of tags refused: 403 DENIED: …denied"),
    Row(
        "another status",
        "tags {teapot}/app",
        1,
        "{teapot}/app: list of tags refused: 418: the registry gave no reason",
    ),
    Row("redirected in a circle", "tags {moved}/app", 1, "…{moved}/elsewhere: redirected more than 10 times"),
    Row(
        "missing blob of a manifest",
        "manifest push {app}:x missing.json",
        1,
        "{app}: push of manifest x refused: 400 MANIFEST_BLOB_UNKNOWN: this repository has no blob {none}",
    ),
    Row(
        "mount that is refused",
        "blob mount {app}@{none} --from acme/none",
        1,
        "{registry} did not mount {none}: push the blob instead",
    ),
]

CONNECTIONS = [
    Row(
        "no TLS where Go speaks it",
        "ping {https}",
        1,
        "{https}: ping refused: 400: Client sent an HTTP request to an HTTPS server.",
        "{https} expects HTTPS: write https://{https}, …",
    ),
    Row("another protocol", "tags {ssh}/app --retries 0", 6, "http://{ssh}: …"),
    Row(
        "nothing listens",
        "tags {gone}/app --retries 0",
        6,
        "http://{gone}: connection refused: nothing listens on port …",
    ),
    Row(
        "nothing listens, to copy",
        "copy {gone}/app:v1 oci:x --retries 0",
        6,
        "cannot resolve v1 in {gone}/app: http://{gone}: connection refused: nothing listens on port …",
    ),
    Row(
        "one second",
        "tags {silent}/app --timeout 1 --retries 0",
        6,
        "http://{silent}: timed out after 1 s while waiting for the response",
    ),
    Row(
        "less than a second",
        "tags {silent}/app --timeout 0.3 --retries 0",
        6,
        "http://{silent}: timed out after 0.3 s while waiting for the response",
    ),
    Row(
        "unknown authority",
        "ping https://{tls}",
        6,
        "https://{tls}: its certificate is not trusted: …",
        "trust its CA with --ca-file FILE (ca_file), or skip the check with --insecure (…)",
    ),
    Row(
        "TLS where there is none",
        "ping https://{registry}",
        6,
        "https://{registry}: the server does not speak TLS on this port",
        "if you trust it without TLS, use --plain-http (…) or write http:// before the host",
    ),
    Row(
        "no TLS where there is",
        "ping {tls} --retries 0",
        6,
        "http://{tls}: the server closed the connection while waiting for the response",
        "for a registry with TLS, write https://{tls}",
    ),
    Row(
        "--plain-http where there is TLS",
        "ping {tls} --plain-http --retries 0",
        6,
        "http://{tls}: the server closed the connection while waiting for the response",
        "for a registry with TLS, write https://{tls}",
    ),
    Row(
        "with its authority", "ping https://{tls} --ca-file {certificates}/authority.pem", 0, "", out="{tls} answers\n"
    ),
    Row("not checked", "ping https://{tls} --insecure", 0, "", out="{tls} answers\n"),
    Row(
        "CA file that is none",
        "ping https://{tls} --ca-file f",
        6,
        "https://{tls}: cannot use the CA file 'f': no certificate or crl found",
    ),
    Row(
        "CA file that is missing",
        "ping https://{tls} --ca-file nofile",
        1,
        "cannot read the CA file 'nofile': No such file or directory",
    ),
    Row(
        "CA file that is missing, without TLS",
        "tags {app} --ca-file nofile",
        1,
        "cannot read the CA file 'nofile': No such file or directory",
    ),
    Row("directory for a CA file", "tags {app} --ca-file dir", 1, "cannot read the CA file 'dir': Is a directory"),
    Row(
        "certificate that is missing",
        "tags {app} --cert nofile",
        1,
        "cannot read the client certificate 'nofile': No such file or directory",
    ),
    Row(
        "key that is missing",
        "tags {app} --cert f --key nofile",
        1,
        "cannot read the key of the client certificate 'nofile': No such file or directory",
    ),
    Row(
        "certificate that is none",
        "ping https://{tls} --cert f",
        6,
        "https://{tls}: cannot use the client certificate 'f': no certificate and private key in PEM",
    ),
    Row(
        "key without a certificate",
        "tags {app} --key cosign.pub",
        2,
        "--key is the private key of a client certificate: give --cert FILE as well",
    ),
    Row(
        "header for two registries",
        "copy {app}:v1 {gone}/app:v1 --header 'X-A: b'",
        2,
        "--cert and --header would be sent to both registries: copy in two steps, by way of oci:DIR",
    ),
    Row("address in use", "serve dir --port {port}", 1, "cannot serve at 127.0.0.1:{port}: Address already in use"),
    Row("file to serve", "serve f --port 0", 1, "cannot serve 'f': is not a directory"),
    Row(
        "forbidden directory to serve", "serve /proc/x --port 0", 1, "cannot serve '/proc/x': No such file or directory"
    ),
]

LOGINS = [
    Row(
        "wrong password",
        "login {basic} -u alice --password-stdin",
        4,
        "{basic} refused user 'alice': wrong user name or password",
        stdin="wrong",
    ),
    Row(
        "wrong password at a token server",
        "login {bearer} -u alice --password-stdin",
        4,
        "{bearer} refused user 'alice': wrong user name or password",
        stdin="wrong",
    ),
    Row(
        "wrong password of a verb at a token server",
        "ping {bearer} --user alice --password-stdin",
        4,
        "{bearer}: login refused: the token server http://{bearer} did not accept the credentials "
        "(the credentials given for {bearer}): 401 UNAUTHORIZED: wrong user name, password or token",
        "check the user name and the password or token, and log in again: lading login {bearer}",
        stdin="wrong",
    ),
    Row(
        "unknown user",
        "login {basic} -u eve --password-stdin",
        4,
        "{basic} refused user 'eve': wrong user name or password",
        stdin=PASSWORD,
    ),
    Row("no terminal", "login {basic}", 2, "cannot ask for the password without a terminal: use --password-stdin"),
    Row(
        "no user",
        "login {basic} --password-stdin",
        2,
        "--password-stdin needs --user: stdin has the password only",
        stdin="x",
    ),
    Row(
        "empty password",
        "login {basic} -u alice --password-stdin",
        2,
        "cannot read the password: stdin is empty, or not UTF-8",
    ),
    Row(
        "colon in a user name",
        "login {basic} -u a:b --password-stdin",
        4,
        "user 'a:b' cannot log in: the name has a colon or …",
        stdin="x",
    ),
    Row(
        "repository to log in to",
        "login {app} -u alice --password-stdin",
        2,
        "…: a registry is expected: leave out what follows the host",
        stdin="x",
    ),
    Row(
        "URL of Docker Hub",
        "login https://index.docker.io/v1/ -u alice --password-stdin",
        2,
        "…: a registry is expected: leave out what follows the host",
        stdin="x",
    ),
    Row(
        "site to log in to",
        "login {page} -u alice --password-stdin",
        1,
        "{page}: responded with an HTML page: is this a registry?",
        stdin="x",
    ),
    Row(
        "nothing to log in to",
        "login {gone} -u alice --password-stdin --retries 0",
        6,
        "http://{gone}: connection refused: nothing listens on port …",
        stdin="x",
    ),
    Row(
        "not logged in",
        "tags {basic}/acme/app",
        4,
        "{basic}/acme/app: list of tags refused: 401 UNAUTHORIZED: authentication required",
        "log in (lading login {basic}), and check the name: it may not exist",
    ),
    Row(
        "wrong password of a verb",
        "tags {basic}/acme/app --user alice --password-stdin",
        4,
        "{basic}: login refused: the registry did not accept the credentials (the credentials given for {basic}): "
        "{basic}/acme/app: list of tags refused: 401 UNAUTHORIZED: authentication required",
        "check the user name and the password or token, and log in again: lading login {basic}",
        stdin="wrong",
    ),
    Row(
        "user without a password",
        "tags {app} --user alice",
        2,
        "--user and --password-stdin need each other: the password is read from stdin",
    ),
    Row(
        "user for two registries",
        "copy {app}:v1 {basic}/app:v1 --user alice --password-stdin",
        2,
        "--user would log in to both registries: use `lading login` for each",
        stdin="x",
    ),
    Row(
        "layout to log in to",
        "auth explain oci:layout",
        2,
        "'oci:layout' is on disk: this verb needs a reference to a registry",
    ),
    Row("logout without a login", "logout {basic}", 0, "", out="{basic}: was not logged in\n"),
]

ARCHIVES_AND_LAYOUTS = [
    Row("missing layout", "inspect oci:nodir:v1", 3, "OCI image layout 'nodir' does not exist"),
    Row("directory for a layout", "inspect oci:dir:v1", 1, f"'dir' {NO_LAYOUT}"),
    Row(
        "archive for a layout",
        "inspect oci:oci.tar:v1",
        1,
        "'oci.tar' is not an OCI image layout: it is not a directory",
    ),
    Row(
        "layout without a tag",
        "inspect oci:layout",
        3,
        "oci:layout has 6 manifests: …'bz2', 'gz', 'multi', 'v1', 'v2', 'xz'…",
    ),
    Row(
        "misspelt tag of a layout",
        "inspect oci:layout:v9",
        3,
        "oci:layout has no tag 'v9' …'bz2', 'gz', 'multi', 'v1', 'v2', 'xz'…",
    ),
    Row(
        "archive that is not one",
        "copy oci:layout:v1 oci-archive:f:v1",
        1,
        "cannot write oci-archive:f:v1: cannot replace 'f', which is not an archive of this kind: remove it, or name …",
    ),
    Row(
        "archive of another kind to write",
        "copy oci:layout:v1 docker-archive:oci.tar:a/b:1",
        1,
        "cannot write docker-archive:oci.tar:docker.io/a/b:1: cannot replace 'oci.tar', which is not an archive of …",
    ),
    Row(
        "archive with another image",
        "copy oci:layout:v2 oci-archive:oci.tar:v2",
        1,
        "cannot write oci-archive:oci.tar:v2: cannot replace 'oci.tar': the new archive would lack 'v1': copy all …",
    ),
    Row(
        "archive with other images",
        "copy oci:layout:v2 docker-archive:two.tar:acme/one:v1",
        1,
        "cannot write …: cannot replace 'two.tar': the new archive would lack 'docker.io/acme/two:v1': copy all …",
    ),
    Row(
        "plan of an archive with another image",
        "copy oci:layout:v2 oci-archive:oci.tar:v2 --dry-run",
        1,
        "cannot write oci-archive:oci.tar:v2: cannot replace 'oci.tar': the new archive would lack 'v1': copy all …",
    ),
    Row(
        "directory to write an archive",
        "copy oci:layout:v1 oci-archive:dir:v1",
        1,
        "…'dir': exists and is not a regular…",
    ),
    Row(
        "socket to write an archive",
        "copy oci:layout:v1 oci-archive:socket",
        1,
        "…'socket': exists and is not a regul…",
    ),
    Row(
        "archive on stdout, which has the result",
        "copy oci:layout:v1 oci-archive:-:v1 --json",
        2,
        "--json prints to stdout, which has the archive: name a file",
    ),
    Row("missing archive", "inspect oci-archive:nofile", 3, "…'nofile'…"),
    Row("missing layout to collect", "layout gc nodir", 3, "OCI image layout 'nodir' does not exist"),
    Row("missing layout to list", "tags oci:nodir", 3, "OCI image layout 'nodir' does not exist"),
    Row("directory for an archive", "inspect oci-archive:layout", 1, "cannot read 'layout': not a regular file: …"),
    Row(
        "pipe for an archive",
        "inspect oci-archive:fifo",
        1,
        "cannot read 'fifo': not a regular file: save the archive …",
    ),
    Row("stdin for an archive", "inspect oci-archive:-", 1, "cannot read an archive from stdin: save it to a file, …"),
    Row(
        "position that an archive lacks",
        "inspect docker-archive:two.tar:@2",
        3,
        "docker-archive:two.tar has no image '@2' (it has 'acme/one:v1', 'acme/two:v1')",
    ),
    Row("position that a layout lacks", "inspect oci:layout:@99", 3, "oci:layout has no tag '@99' (it has …)"),
    Row(
        "position to write to",
        "copy {app}:v1 docker-archive:new.tar:@0",
        2,
        "cannot write docker-archive:new.tar:@0: …'@0' is the position of an image to read: give the new one a name",
    ),
    Row(
        "misspelt tag of an archive",
        "inspect oci-archive:oci.tar:v9",
        3,
        "oci-archive:oci.tar has no tag 'v9' …'v1'…",
    ),
    Row("archive of another kind", "inspect docker-archive:oci.tar", 1, "docker-archive:oci.tar …manifest.json"),
    Row(
        "misspelt name in an archive",
        "inspect docker-archive:docker.tar:acme/none:v1",
        3,
        "docker-archive:docker.tar has no image 'docker.io/acme/none:v1' (it has 'acme/app:v1')",
    ),
    Row(
        "no name for one of two",
        "inspect docker-archive:two.tar",
        3,
        "docker-archive:two.tar has 2 images: name one (…'acme/one:v1', 'acme/two:v1'…)",
    ),
    Row(
        "artifact for docker",
        "copy {app}:report docker-archive:new.tar:a/b:1",
        1,
        "cannot copy to docker-archive:new.tar: … is an artifact, not a container image: write it to an oci-archive",
    ),
    Row(
        "archive to attach to",
        "attach docker-archive:docker.tar f --artifact-type a/b",
        2,
        "docker-archive:docker.tar: cannot add to an archive: copy it to oci:DIR",
    ),
    Row(
        "blob that is a link",
        "copy oci:linked:v1 oci:new:v1",
        1,
        "cannot resolve v1 in oci:linked: cannot open 'linked/…': is a symbolic link …--links-below (links_below)",
    ),
    Row(
        "layer of bzip2", "files {app}:bz2", 1, "the archive is compressed with bzip2: only gzip and zstd are supported"
    ),
    Row(
        "layer of xz",
        "cat {app}:xz /etc/motd",
        1,
        "the archive is compressed with xz: only gzip and zstd are supported",
    ),
    Row("artifact for an image", "files {app}:report", 1, "…application/vnd.unknown.artifact.v1…"),
    Row(
        "image for an artifact",
        "pull {app}:v1",
        1,
        "{app}:v1 has no files: none of its layers has a title",
        "for a container image, use `lading export` …",
    ),
    Row(
        "title that is a device on Windows",
        "pull {registry}/acme/odd:title -o new --portable",
        1,
        "title 'aux.c' cannot name a file: it has the part 'aux.c', which is the name of a device on Windows",
        "to write it under another name: lading blob pull {registry}/acme/odd@sha256:… -o FILE",
    ),
    Row(
        "packed name that is a stream on Windows",
        "pull {registry}/acme/odd:member -o new --portable",
        1,
        "archive member 'odd/a:b' is refused: its name has the part 'a:b', which contains ':', …",
        "to get the archive itself: lading blob pull {registry}/acme/odd@sha256:… -o FILE",
    ),
    Row("reference for a directory", "layout gc oci:layout", 2, "a directory is expected: write layout"),
    Row("image for a directory", "layout gc oci:layout:v1", 2, "a directory is expected: write layout"),
    Row("registry for a directory", "layout gc oci://a.example/b", 2, "…: leave out oci:// before a registry; …"),
    Row("reference to serve", "serve oci:layout", 2, "a directory is expected: write layout"),
    Row("registry to serve", "serve oci://a.example/b", 2, "…: leave out oci:// before a registry; …"),
    Row("directory that is no layout", "layout gc dir", 1, f"'dir' {NO_LAYOUT}"),
]

OUTPUT = [
    Row("digest of a push", "push {app}:report f", 0, "pushed {app}:report@{report}", out="{report}\n"),
    Row("digest of an attachment", "attach {app}:v1 f --artifact-type a/b", 0, "attached {app}@…", out="…\n"),
    Row("quiet push", "push {app}:report f -q", 0, "", out="{report}\n"),
    Row("tags of a copy", "copy {app} oci:new --all-tags 'v*'", 0, "", out="{amd64}  v1\n{arm64}  v2\n"),
    Row("entry by its platform", "index remove {app}:multi linux/arm64 --to oci:new:x", 0, "", out="…\n"),
]

TABLE = {
    "verbs": VERBS,
    "references": REFERENCES,
    "tags and digests": TAGS_AND_DIGESTS,
    "platforms": PLATFORMS,
    "options": OPTIONS,
    "files": FILES,
    "registry answers": ANSWERS,
    "TLS and connections": CONNECTIONS,
    "logins": LOGINS,
    "archives and layouts": ARCHIVES_AND_LAYOUTS,
    "output": OUTPUT,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with places(tmp_path_factory.mktemp("places")) as names:
        yield names


def condition(row: Row) -> list[pytest.MarkDecorator]:
    """Return what a row needs of the system, by the files that it names."""
    if row.id == "unknown authority":
        return [not_under_wine("takes a chain that ends without its root for a trusted one")]
    if row.id == "export to a directory below a file":
        return [posix_only("directories as images have them")]
    if "/acme/odd:" in row.typed:
        return [posix_only("names with a colon, to be pushed")]
    special = re.search(r"\b(fifo|socket|linked)\b|/proc/", row.typed, re.ASCII)
    return [posix_only("FIFOs, sockets and links as files")] if special else []


def put(path: Path, source: Path) -> None:
    if HAS_LINKS:
        path.symlink_to(source)
    elif source.is_dir():
        shutil.copytree(source, path)
    else:
        shutil.copyfile(source, path)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{heading}: {row.id}", marks=condition(row))
        for heading, rows in TABLE.items()
        for row in rows
    ],
)
def test_a_mistake_is_explained(
    row: Row,
    world: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in Path(world["files"]).iterdir():
        put(tmp_path / path.name, path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(row.stdin.encode())))
    capsys.readouterr()
    code = main(shlex.split(row.typed.format_map(world)))
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    # A warning may precede the error.
    message, *notes = [line for line in lines if not line.startswith("lading: warning: ")] or lines or [""]
    message = message.removeprefix("lading: ")
    hint = "\n".join(note.removeprefix("  hint: ") for note in notes if note.startswith("  hint: "))
    assert code == row.code, printed.err
    assert fits(message, row.message, world), f"{message}\n{row.message.format_map(world)}"
    assert fits(hint, row.hint, world), f"{hint}\n{row.hint.format_map(world)}"
    assert fits(printed.out, row.out, world)
    assert "secret" not in printed.err
    assert all(note.startswith("  ") for note in notes), printed.err


def fits(text: str, expected: str, world: dict[str, str]) -> bool:
    """Return whether a text is the expected one, in which … stands for any text."""
    parts = (re.escape(part) for part in expected.format_map(world).split(WILD))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def test_the_table_has_100_rows_of_different_names() -> None:
    names = [(heading, row.id) for heading, rows in TABLE.items() for row in rows]
    assert len(names) == len(set(names)) >= 100
