from __future__ import annotations

import json

import pytest

from tests.cli.process import Run
from tests.support.images import CONFIG, LAYER, MANIFEST, Image, sha256
from tests.support.scripted import ScriptedServer, answers

ABSENT = f"sha256:{'0' * 64}"


def test_end_1_ping(lading: Run, registry: str) -> None:
    done = lading("ping", registry)
    assert (done.code, done.lines, done.stderr) == (0, [f"{registry} answers"], "")
    assert lading("ping", f"http://{registry}/", "--json").record == {"registry": registry, "answers": True}


def test_end_8a_tags(lading: Run, repository: str) -> None:
    done = lading("tags", repository)
    assert (done.code, done.lines, done.stderr) == (0, ["1"], "")
    assert lading("tags", repository, "--json").record == {"tag": "1"}


def test_end_3_resolve(lading: Run, repository: str, cargo: Image) -> None:
    digest = sha256(cargo.manifest)
    done = lading("resolve", f"{repository}:1")
    assert (done.code, done.lines, done.stderr) == (0, [digest], "")
    assert lading("resolve", f"{repository}:1", "--json").record == {
        "reference": f"{repository}:1",
        "mediaType": MANIFEST,
        "digest": digest,
        "size": len(cargo.manifest),
    }


def test_end_3_resolve_many(lading: Run, repository: str, cargo: Image) -> None:
    both = lading("resolve", f"{repository}:1", f"{repository}@{sha256(cargo.manifest)}")
    assert both.lines == [sha256(cargo.manifest)] * 2
    assert lading("resolve", f"{repository}:1", f"{repository}:none").code == 3


def test_resolve_prints_what_it_finds_and_reports_each_error(lading: Run, repository: str, cargo: Image) -> None:
    done = lading("resolve", f"{repository}:none", f"{repository}:1", f"{repository}:more")
    assert (done.code, done.lines) == (3, [sha256(cargo.manifest)])
    assert [line for line in done.stderr.splitlines() if line.startswith("lading: ")] == [
        f"lading: {repository} has no tag 'none'",
        f"lading: {repository} has no tag 'more'",
    ]
    mixed = lading("resolve", f"{repository}:none", "localhost:1/none:1", "--retries", "0")
    assert (mixed.code, mixed.lines) == (1, [])


@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
@pytest.mark.parametrize("kind", ["manifest", "blob"])
def test_exists_says_it_by_its_exit_code(lading: Run, repository: str, cargo: Image, kind: str, there: bool) -> None:
    digest = sha256(getattr(cargo, "layer" if kind == "blob" else kind)) if there else ABSENT
    done = lading(kind, "exists", f"{repository}@{digest}")
    assert (done.code, done.stdout, done.stderr) == (0 if there else 3, b"", "")
    done = lading(kind, "exists", f"{repository}@{digest}", "--json")
    assert (done.code, done.record["exists"]) == (0 if there else 3, there)


def test_inspect_describes_an_image(lading: Run, repository: str, cargo: Image) -> None:
    done = lading("inspect", f"{repository}:1")
    assert (done.code, done.stderr) == (0, "")
    assert done.lines[0] == f"{repository}:1"
    facts = {tuple(line.split(maxsplit=1)) for line in done.lines if len(line.split()) > 1}
    assert {("kind", "image"), ("digest", sha256(cargo.manifest)), ("platform", "linux/amd64")} <= facts
    [layer] = [line for line in done.lines if sha256(cargo.layer) in line]
    assert layer.split() == [sha256(cargo.layer), str(len(cargo.layer)), "bytes", LAYER]


def test_inspect_as_json_is_the_whole(lading: Run, repository: str, cargo: Image) -> None:
    record = lading("inspect", f"{repository}:1", "--json").record
    assert (record["kind"], record["mediaType"], record["digest"]) == ("image", MANIFEST, sha256(cargo.manifest))
    assert record["config"] == {"mediaType": CONFIG, "digest": sha256(cargo.config), "size": len(cargo.config)}
    assert record["content"]["architecture"] == "amd64"
    assert record["layers"] == [{"mediaType": LAYER, "digest": sha256(cargo.layer), "size": len(cargo.layer)}]
    assert record["totalSize"] == sum(map(len, (cargo.manifest, cargo.config, cargo.layer)))


def test_inspect_of_an_index_lists_platforms_and_goes_on_to_one(lading: Run, changing: str, cargo: Image) -> None:
    entry = {"mediaType": MANIFEST, "digest": sha256(cargo.manifest), "size": len(cargo.manifest)}
    platform = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**entry, "platform": platform}],
        "annotations": {"a\x1b]0;title\x07": "\u202ereversed\nsecond line"},
    }
    assert lading("manifest", "push", f"{changing}:index", "-", stdin=json.dumps(index).encode()).code == 0
    done = lading("inspect", f"{changing}:index")
    assert ["linux/arm64/v8", sha256(cargo.manifest)] in [line.split()[:2] for line in done.lines]
    assert r"  a\x1b]0;title\x07  \u202ereversed\nsecond line" in done.lines
    record = lading("inspect", f"{changing}:index", "--json").record
    [listed] = record["manifests"]
    assert (record["kind"], {key: listed[key] for key in (*entry, "platform")}) == (
        "index",
        {**entry, "platform": platform},
    )
    chosen = lading("inspect", f"{changing}:index", "--platform", "linux/arm64", "--json").record
    assert chosen["digest"] == sha256(cargo.manifest)
    done = lading("inspect", f"{changing}:index", "--platform", "linux/s390x")
    assert done.refused(3, f"{changing}: the index has no manifest for linux/s390x: it has 'linux/arm64/v8'")


def test_inspect_warns_of_a_config_that_cannot_be_read(lading: Run, changing: str, cargo: Image) -> None:
    config = b'{"architecture": 7}'
    assert lading("blob", "push", changing, "-", stdin=config).code == 0
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": sha256(cargo.layer), "size": len(cargo.layer)}],
    }
    assert lading("manifest", "push", f"{changing}:odd", "-", stdin=json.dumps(manifest).encode()).code == 0
    done = lading("inspect", f"{changing}:odd")
    assert done.code == 0
    assert done.stderr.startswith(f"lading: warning: {sha256(config)} is not described completely: ")
    assert lading("inspect", f"{changing}:odd", "-q").stderr == ""


def test_limits_of_a_registry_that_tells_none(lading: Run, registry: str) -> None:
    done = lading("ping", registry, "--limits")
    assert (done.code, done.lines) == (0, [f"{registry}: no limit is reported"])


@pytest.mark.parametrize(
    ("more", "asked"),
    [((), b"GET /v2/ "), (("acme/app:v1",), b"HEAD /v2/acme/app/manifests/v1 ")],
    ids=["front door", "manifest"],
)
def test_limits_are_what_the_answer_says(lading: Run, more: tuple[str, ...], asked: bytes) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n"
        b"Docker-Content-Digest: sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\r\n"
        b"RateLimit-Limit: 100;w=21600\r\nRateLimit-Remaining: 76;w=21600\r\n\r\n"
    )
    with ScriptedServer(answers(head if more else head + b"{}")) as server:
        done = lading("ping", server.origin.authority, "--limits", *more)
    assert (done.code, done.lines) == (0, [f"{server.origin.authority}: limit 100, remaining 76, window 21600"])
    assert server.requests[0].startswith(asked)
