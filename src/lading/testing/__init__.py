"""Test registries with configurable faults, for testing registry clients (docs/testing.md).

Each public name is imported on first use, because pytest imports this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lading.server.limits import ServerLimits as ServerLimits
    from lading.server.token_server import TokenRules as TokenRules
    from lading.server.users_and_rights import (
        EVERYTHING as EVERYTHING,
        NOTHING as NOTHING,
        Access as Access,
        Rights as Rights,
        User as User,
    )
    from lading.testing.connection_faults import Cut as Cut, Drop as Drop, LoseAnswer as LoseAnswer
    from lading.testing.faults import Fault as Fault, Faults as Faults, Onward as Onward
    from lading.testing.listing_faults import (
        OpaquePages as OpaquePages,
        RefusePages as RefusePages,
        WantKnownLast as WantKnownLast,
        WholeList as WholeList,
    )
    from lading.testing.manifest_faults import (
        ClaimSubject as ClaimSubject,
        FinalTags as FinalTags,
        OrElse as OrElse,
        RefuseManifests as RefuseManifests,
    )
    from lading.testing.registries import (
        Setup as Setup,
        Sites as Sites,
        TestRegistry as TestRegistry,
        direct as direct,
        serving as serving,
    )
    from lading.testing.response_faults import (
        Change as Change,
        Corrupt as Corrupt,
        EditDocument as EditDocument,
        EditField as EditField,
        EditTarget as EditTarget,
        Instead as Instead,
        Redirect as Redirect,
        Refuse as Refuse,
        RefuseField as RefuseField,
        Say as Say,
    )
    from lading.testing.scripted_exchanges import Dialogue as Dialogue, Seen as Seen, Watch as Watch
    from lading.testing.upload_faults import (
        ChangingLocation as ChangingLocation,
        FrozenRange as FrozenRange,
        LeastChunk as LeastChunk,
        LimitContent as LimitContent,
        OneChunk as OneChunk,
        TakePart as TakePart,
        WantEmptyFinish as WantEmptyFinish,
        WantLength as WantLength,
    )

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Access",
    "Change",
    "ChangingLocation",
    "ClaimSubject",
    "Corrupt",
    "Cut",
    "Dialogue",
    "Drop",
    "EditDocument",
    "EditField",
    "EditTarget",
    "Fault",
    "Faults",
    "FinalTags",
    "FrozenRange",
    "Instead",
    "LeastChunk",
    "LimitContent",
    "LoseAnswer",
    "OneChunk",
    "Onward",
    "OpaquePages",
    "OrElse",
    "Redirect",
    "Refuse",
    "RefuseField",
    "RefuseManifests",
    "RefusePages",
    "Rights",
    "Say",
    "Seen",
    "ServerLimits",
    "Setup",
    "Sites",
    "TakePart",
    "TestRegistry",
    "TokenRules",
    "User",
    "WantEmptyFinish",
    "WantKnownLast",
    "WantLength",
    "Watch",
    "WholeList",
    "direct",
    "serving",
]
_NAMES = {
    "lading.server.users_and_rights": ("Access", "EVERYTHING", "NOTHING", "Rights", "User"),
    "lading.server.limits": ("ServerLimits",),
    "lading.server.token_server": ("TokenRules",),
    "lading.testing.response_faults": (
        "Change",
        "Corrupt",
        "EditDocument",
        "EditField",
        "EditTarget",
        "Instead",
        "Redirect",
        "Refuse",
        "RefuseField",
        "Say",
    ),
    "lading.testing.connection_faults": ("Cut", "Drop", "LoseAnswer"),
    "lading.testing.scripted_exchanges": ("Dialogue", "Seen", "Watch"),
    "lading.testing.faults": ("Fault", "Faults", "Onward"),
    "lading.testing.listing_faults": ("OpaquePages", "RefusePages", "WantKnownLast", "WholeList"),
    "lading.testing.manifest_faults": ("ClaimSubject", "FinalTags", "OrElse", "RefuseManifests"),
    "lading.testing.registries": ("Setup", "Sites", "TestRegistry", "direct", "serving"),
    "lading.testing.upload_faults": (
        "ChangingLocation",
        "FrozenRange",
        "LeastChunk",
        "LimitContent",
        "OneChunk",
        "TakePart",
        "WantEmptyFinish",
        "WantLength",
    ),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def _import(name: str) -> Any:  # pyright: ignore[reportUnusedFunction]
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


if not TYPE_CHECKING:  # for a checker, a module with __getattr__ has every name, also a misspelt one
    __getattr__ = _import


def __dir__() -> list[str]:
    return __all__
