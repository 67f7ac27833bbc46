"""Edits of an image config: execution parameters, layers, base image (image-spec, config.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import msgspec

from lading import _values
from lading._core.images.manifest_annotations import merged
from lading._core.tar.source_date_epoch import source_date_epoch
from lading._patterns import lazy_pattern
from lading._values import Strings
from lading._wire.escaping import quoted
from lading.digest import Digest
from lading.documents import History, ImageConfig, Manifest, RootFS
from lading.errors import DocumentError

_EPOCH = "1970-01-01T00:00:00Z"
_PORT = lazy_pattern(r"[0-9]{1,5}(?:/(?:tcp|udp|sctp))?", re.ASCII)


def configured(
    config: Manifest[ImageConfig],
    *,
    env: Mapping[str, str | None],
    labels: Mapping[str, str | None],
    entrypoint: Strings | None,
    cmd: Strings | None,
    texts: Mapping[str, str | None],
    ports: Iterable[str],
    volumes: Iterable[str],
    created: datetime | None,
) -> Manifest[ImageConfig]:
    """Return a config with other execution parameters; see `Image.mutated`. `texts` are the fields of type string."""
    _values.mapping(env, "env", (str, NoneType), "write {'NAME': 'value'}")
    _values.mapping(labels, "labels", (str, NoneType), "write {'name': 'value'}")
    for name, text in texts.items():
        _values.expect(text, (str, NoneType), name)
    before = config.document.config
    changes: dict[str, Any] = {name: value for name, value in texts.items() if value is not None}
    if entrypoint is not None:
        changes |= {"entrypoint": _words(entrypoint, "entrypoint"), "cmd": ()}
    if cmd is not None:
        changes["cmd"] = _words(cmd, "cmd")
    after = msgspec.structs.replace(
        before,
        env=_environment(before.env, env),
        labels=merged(before.labels, labels),
        exposed_ports={**before.exposed_ports, **{_port(port): {} for port in _values.items(ports, "ports")}},
        volumes={**before.volumes, **{volume: {} for volume in _values.items(volumes, "volumes")}},
        **changes,
    )
    return rewritten(config, config=after, created=timestamp(created) or config.document.created)


def extended(
    config: Manifest[ImageConfig], layers: Sequence[tuple[Digest, str]], created: datetime | None
) -> Manifest[ImageConfig]:
    """Return a config with further layers, each given by its diff_id and the command that created it."""
    document, when = config.document, timestamp(created)
    added = [History(created=when or _EPOCH, created_by=created_by) for _, created_by in layers]
    history = (*padded(document.history, len(document.rootfs.diff_ids)), *added) if added else document.history
    rootfs = RootFS((*document.rootfs.diff_ids, *(diff_id for diff_id, _ in layers)))
    return rewritten(config, rootfs=rootfs, history=history, created=when or document.created)


def rebased_config(
    config: Manifest[ImageConfig], old: Manifest[ImageConfig], new: Manifest[ImageConfig]
) -> Manifest[ImageConfig]:
    """Return a config whose layers and history begin with those of another base.

    The execution parameters stay, including those of the old base, which cannot be told from the image's own. The
    platform is that of the new base.

    Raises `DocumentError` for an image that is not based on the old base.
    """
    document, base = config.document, new.document
    own = _own_layers(config, old)
    own_history = _own_history(document.history, old.document.history, len(old.document.rootfs.diff_ids))
    history = (*padded(base.history, len(base.rootfs.diff_ids)), *own_history)
    return rewritten(
        config,
        rootfs=RootFS((*base.rootfs.diff_ids, *own)),
        history=history if document.history or base.history else (),
        architecture=base.architecture,
        os=base.os,
        os_version=base.os_version,
        os_features=base.os_features,
        variant=base.variant,
    )


def rewritten(config: Manifest[ImageConfig], /, **changes: Any) -> Manifest[ImageConfig]:
    """Return a config with other values; the same bytes if no value differs."""
    document = config.document
    if all(getattr(document, name) == value for name, value in changes.items()):
        return config
    return config.edited(**changes)


def padded(history: tuple[History, ...], layers: int) -> tuple[History, ...]:
    """Return a history with an entry for each layer, so that entries after it line up (config.md, history)."""
    described = sum(not entry.empty_layer for entry in history)
    return (*history, *(History(),) * (layers - described))


def timestamp(created: datetime | None) -> str | None:
    """Return a time, by default SOURCE_DATE_EPOCH, in UTC (RFC 3339, section 5.6); None without either.

    Raises `ValueError` for a time without a time zone.
    """
    _values.expect(created, (datetime, NoneType), "created")
    if created is None:
        epoch = source_date_epoch()
        if epoch is None:
            return None
        created = datetime.fromtimestamp(epoch, UTC)
    if created.tzinfo is None:
        raise ValueError(f"created must have a time zone, such as datetime.UTC: {created} has none")
    return created.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _words(words: Strings, what: str) -> tuple[str, ...]:
    """Return the words of a command.

    Raises `TypeError` for a set, which has no order, and `ValueError` for NUL, which ends an argument in execve(2).
    """
    if isinstance(words, AbstractSet):
        raise TypeError(f"{what} must be a list of strings in their order, not {type(words).__name__}")
    found = _values.items(words, what)
    for position, word in enumerate(found):
        if "\0" in word:
            raise ValueError(f"{what}[{position}] has NUL: {quoted(word)}")
    return found


def _environment(before: Sequence[str], changes: Mapping[str, str | None]) -> tuple[str, ...]:
    """Change variables in their places; new ones come last."""
    for name, value in changes.items():
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"{quoted(name)} is not the name of an environment variable")
        if value is not None and "\0" in value:
            raise ValueError(f"the value of the environment variable {quoted(name)} has NUL")
    waiting = dict(changes)
    after: list[str] = []
    for entry in before:
        name = entry.partition("=")[0]
        if name not in changes:
            after.append(entry)
        elif (value := waiting.pop(name, None)) is not None:
            after.append(f"{name}={value}")
    return (*after, *(f"{name}={value}" for name, value in waiting.items() if value is not None))


def _port(text: str) -> str:
    if _PORT.fullmatch(text) and 0 < int(text.partition("/")[0]) < 65536:
        return text if "/" in text else f"{text}/tcp"
    raise ValueError(f"{quoted(text)} is not a port: write PORT, PORT/tcp, PORT/udp or PORT/sctp")


def _own_layers(config: Manifest[ImageConfig], old: Manifest[ImageConfig]) -> tuple[Digest, ...]:
    layers, below = config.document.rootfs.diff_ids, old.document.rootfs.diff_ids
    for position, (layer, expected) in enumerate(zip(layers, below, strict=False), start=1):
        if layer != expected:
            raise DocumentError(
                f"the image is not based on the old base: layer {position} is {layer}, that of the base is {expected}"
            )
    if len(layers) < len(below):
        raise DocumentError(
            f"the image is not based on the old base: it has {len(layers)} layers, the base has {len(below)}"
        )
    return layers[len(below) :]


def _own_history(history: tuple[History, ...], old: tuple[History, ...], layers: int) -> tuple[History, ...]:
    """Return the history after that of the old base, which has that many layers."""
    if history[: len(old)] == old and sum(not entry.empty_layer for entry in old) == layers:
        return history[len(old) :]
    seen = 0
    for position, entry in enumerate(history):
        if seen == layers:
            return history[position:]
        seen += not entry.empty_layer
    return ()
