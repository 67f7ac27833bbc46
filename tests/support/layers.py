"""Images of layers that a test writes member by member, in memory or as an image layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from tests.support.images import CONFIG, LAYER, MANIFEST, sha256

Compress = Callable[[bytes], bytes]
END = bytes(1024)


def member(
    name: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    mode: int = 0o644,
    owner: int = 0,
    group: int = 0,
    time: float = 0,
    device: tuple[int, int] = (0, 0),
    pax: dict[str, str] | None = None,
    form: Literal[0, 1, 2] = tarfile.PAX_FORMAT,
) -> bytes:
    info = tarfile.TarInfo(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    info.size, info.type, info.linkname, info.mode = len(content), kind, target, mode
    info.uid, info.gid, info.mtime, info.pax_headers = owner, group, time, pax or {}
    info.devmajor, info.devminor = device
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


def folder(name: str, mode: int = 0o755, *, owner: int = 0) -> bytes:
    return member(name, kind=tarfile.DIRTYPE, mode=mode, owner=owner)


def link(name: str, target: str) -> bytes:
    return member(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def hard_link(name: str, target: str) -> bytes:
    return member(name, kind=tarfile.LNKTYPE, target=target)


def gzipped(archive: bytes) -> bytes:
    return gzip.compress(archive, compresslevel=1, mtime=0)


class Blobs:
    """The contents of an image by their digests, and its manifest."""

    def __init__(
        self,
        *layers: Sequence[bytes],
        compress: Compress = gzipped,
        end: bytes = END,
        diff_ids: Sequence[str] | None = None,
    ) -> None:
        archives = [b"".join(members) + end for members in layers]
        self.layers = [compress(archive) for archive in archives]
        self.config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/bin/true"]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids or [sha256(archive) for archive in archives]},
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, self.config),
                "layers": [_descriptor(LAYER, layer) for layer in self.layers],
            }
        ).encode()

    def write(self, directory: Path, tag: str = "v1") -> str:
        """Write an image layout, or add the image to one, and return the reference of the image."""
        blobs = directory / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for blob in (self.manifest, self.config, *self.layers):
            (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
        index = directory / "index.json"
        entries = json.loads(index.read_bytes())["manifests"] if index.exists() else []
        entry = _descriptor(MANIFEST, self.manifest)
        entries.append(entry | {"annotations": {"org.opencontainers.image.ref.name": tag}})
        index.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
        (directory / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        return f"oci:{directory}:{tag}"

    def layer_file(self, directory: Path, number: int) -> Path:
        """Return where a layer is in a layout."""
        return directory / "blobs" / "sha256" / hashlib.sha256(self.layers[number]).hexdigest()


def read_tar(archive: bytes) -> dict[str, str | bytes]:
    """Return what Python's own reader finds in an archive: contents, and what links lead to."""
    found: dict[str, str | bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for info in tar:
            assert info.name not in found
            if info.isfile():
                file = tar.extractfile(info)
                assert file is not None
                found[info.name] = file.read()
            else:
                kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "->", tarfile.LNKTYPE: "="}
                found[info.name] = f"{kinds.get(info.type, info.type)} {info.linkname}".strip()
    return found


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}
