"""The stages: works in one place, with the content that they need."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import far
from benchmarks.images import MIB, SMALL, date_back, write_image
from benchmarks.registries import embedded, sink
from benchmarks.work import (
    REPOSITORIES,
    Sizes,
    Work,
    add_tags,
    another,
    copy,
    fields_of,
    floors_of,
    has,
    has_tag,
    received,
    served,
    takes_layout,
    to,
    wrote,
)


@contextmanager
def pulls(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (a) pull, (b) push, (c) copy, (g) pull again of an image of a few large layers."""
    what = f"{sizes.layers} x {sizes.layer} MiB"
    with (
        served(directory, [sizes.layer * MIB] * sizes.layers) as (registry, layout, digests),
        another(directory) as other,
    ):
        fields = fields_of(registry, other, layout, digests)
        size = sizes.layers * sizes.layer * MIB
        floors = floors_of(directory, registry, digests)
        pushed, copied = has_tag(directory), has_tag(directory / "other")
        pulled, state = directory / "pulled", {"XDG_STATE_HOME": str(directory / "state")}
        copy(f"{registry.address}/image:1", f"oci:{pulled}:1", state)
        known = fields_of(registry, other, pulled, digests)
        yield [
            Work("pull", f"(a) pull {what} to a layout", "pull", registry, fields, has(size), floors),
            Work(
                "push",
                f"(b) push {what} from a layout that lading has pulled",
                "push",
                registry,
                known,
                pushed,
                environment=state,
            ),
            Work(
                "push-new",
                f"(b) push {what} from a layout of another program",
                "push",
                registry,
                to(fields, registry, "new"),
                has_tag(directory, "new"),
            ),
            Work(
                "copy",
                f"(c) copy {what} between registries",
                "copy",
                registry,
                to(fields, other),
                copied,
                others=(other,),
            ),
            Work("again", f"(g) pull {what} that is there already", "pull", registry, fields, twice=True),
        ]


@contextmanager
def many(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (d) pull and push of an image of many small layers."""
    with served(directory, [SMALL] * sizes.many) as (registry, layout, digests):
        fields = fields_of(registry, registry, layout, digests)
        title = f"{sizes.many} layers of 64 KiB"
        yield [
            Work("many", f"(d) pull {title} to a layout", "pull", registry, fields, has(sizes.many << 16)),
            Work("push-many", f"(d) push {title} from a layout", "push", registry, fields, has_tag(directory)),
        ]


@contextmanager
def blob(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (f) pull of one large blob, plain."""
    with _one_blob(directory, sizes, tls=False) as work:
        yield [work]


@contextmanager
def blob_tls(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (f) pull of one large blob over TLS."""
    with _one_blob(directory, sizes, tls=True) as work:
        yield [work]


@contextmanager
def tags(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (e) resolve and list many tags; (h) start."""
    with served(directory, [1024]) as (registry, layout, digests):
        repository = directory / REPOSITORIES / "image"
        add_tags(repository, [f"v{number}" for number in range(sizes.resolved)])
        listed = repository.with_name("many")
        # That a tag is listed takes its directory and nothing else.
        for number in range(sizes.listed):
            (listed / "_manifests" / "tags" / f"v{number:06}").mkdir(parents=True)
        shutil.copytree(repository / "_manifests" / "revisions", listed / "_manifests" / "revisions")
        references = directory / "references"
        names = (f"{registry.address}/image:v{number}" for number in range(sizes.resolved))
        references.write_text("\n".join(names), encoding="utf-8")
        own = fields_of(registry, registry, layout, digests)

        def fields(scratch: Path, number: int) -> Mapping[str, str]:
            extra = {"tags": str(references), "repository": f"{registry.address}/many"}
            return {**own(scratch, number), **extra, "few": f"{registry.address}/copied"}

        copy(f"{registry.address}/image:1", f"{registry.address}/copied:1")
        resolved, lines = wrote(sizes.resolved), wrote(sizes.listed)
        yield [
            Work("resolve", f"(e) resolve {sizes.resolved} tags", "resolve", registry, fields, resolved),
            Work("list", f"(e) list {sizes.listed} tags", "list", registry, fields, lines),
            Work("start", "(h) say the version", "start", registry, fields),
            Work("start-tags", "(h) list one tag", "start-tags", registry, fields),
            Work("start-resolve", "(h) resolve one tag", "start-resolve", registry, fields),
        ]


@contextmanager
def server(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (i) pull and push with the embedded registry as the server."""
    what = f"{sizes.layers} x {sizes.layer} MiB"
    layout, place = directory / "layout", directory / "embedded"
    digests = write_image(layout, [sizes.layer * MIB] * sizes.layers)
    place.mkdir()
    with embedded(place) as registry:
        copy(f"oci:{layout}:1", f"{registry.address}/image:1")
        fields, size = fields_of(registry, registry, layout, digests), sizes.layers * sizes.layer * MIB
        yield [
            Work("embedded-pull", f"(i) pull {what} from lading serve", "pull", registry, fields, has(size)),
            Work("embedded-push", f"(i) push {what} to lading serve", "push", registry, fields, takes_layout(place)),
        ]


@contextmanager
def sink_pushes(directory: Path, sizes: Sizes) -> Generator[list[Work]]:
    """Do (k) push where nothing is hashed and nothing kept, so that the client is all that takes time."""
    large, small, state = directory / "layout", directory / "small", {"XDG_STATE_HOME": str(directory / "state")}
    digests = write_image(large, [sizes.layer * MIB] * sizes.layers)
    date_back(large)
    few = write_image(small, [SMALL] * sizes.many)
    with sink(directory) as registry:
        copy(f"oci:{large}:1", f"{registry.address}/known:1", state)
        fields, many_fields = (fields_of(registry, registry, *each) for each in ((large, digests), (small, few)))
        what = f"{sizes.layers} x {sizes.layer} MiB to a sink"
        all_large, all_small = (
            received(registry, sizes.layers * sizes.layer * MIB),
            received(registry, sizes.many * SMALL),
        )
        yield [
            Work(
                "sink",
                f"(k) push {what} from a layout that lading has pushed before",
                "push",
                registry,
                fields,
                all_large,
                environment=state,
            ),
            Work("sink-new", f"(k) push {what} from a layout of another program", "push", registry, fields, all_large),
            Work(
                "sink-many",
                f"(k) push {sizes.many} layers of 64 KiB to a sink",
                "push",
                registry,
                many_fields,
                all_small,
            ),
        ]


@contextmanager
def _one_blob(directory: Path, sizes: Sizes, *, tls: bool) -> Generator[Work]:
    with served(directory, [sizes.blob * MIB], tls=tls) as (registry, layout, digests):
        shutil.rmtree(layout)
        certificate = {"SSL_CERT_FILE": str(registry.certificate)} if tls else {}
        yield Work(
            "blob-tls" if tls else "blob",
            f"(f) pull a blob of {sizes.blob} MiB{' over TLS' * tls}",
            "blob-tls" if tls else "blob",
            registry,
            fields_of(registry, registry, layout, digests),
            has(sizes.blob * MIB),
            {} if tls else floors_of(directory, registry, digests),
            certificate,
        )


STAGES: Mapping[str, far.Stage] = {
    "pulls": pulls,
    "many": many,
    "blob": blob,
    "blob-tls": blob_tls,
    "tags": tags,
    "server": server,
    "sink": sink_pushes,
    **far.STAGES,
}
