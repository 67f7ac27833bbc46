"""Registries that fail to order, for the tests of whatever speaks to registries (docs/testing.md).

Every public name, each imported when it is first used: pytest imports this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lading.server.access import (
        EVERYTHING as EVERYTHING,
        NOTHING as NOTHING,
        Access as Access,
        Rights as Rights,
        User as User,
    )
    from lading.server.policy import Policy as Policy
    from lading.server.tokens import TokenRules as TokenRules
    from lading.testing.answers import (
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
    from lading.testing.connections import Cut as Cut, Drop as Drop, LoseAnswer as LoseAnswer
    from lading.testing.dialogues import Dialogue as Dialogue, Seen as Seen, Watch as Watch
    from lading.testing.faults import Fault as Fault, Faults as Faults, Onward as Onward
    from lading.testing.listings import (
        OpaquePages as OpaquePages,
        RefusePages as RefusePages,
        WantKnownLast as WantKnownLast,
        WholeList as WholeList,
    )
    from lading.testing.manifests import (
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
    from lading.testing.uploads import (
        ChangingLocation as ChangingLocation,
        FrozenRange as FrozenRange,
        LeastChunk as LeastChunk,
        LimitContent as LimitContent,
        OneChunk as OneChunk,
        TakePart as TakePart,
        WantEmptyFinish as WantEmptyFinish,
        WantLength as WantLength,
    )

_NAMES = {
    "lading.server.access": ("Access", "EVERYTHING", "NOTHING", "Rights", "User"),
    "lading.server.policy": ("Policy",),
    "lading.server.tokens": ("TokenRules",),
    "lading.testing.answers": (
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
    "lading.testing.connections": ("Cut", "Drop", "LoseAnswer"),
    "lading.testing.dialogues": ("Dialogue", "Seen", "Watch"),
    "lading.testing.faults": ("Fault", "Faults", "Onward"),
    "lading.testing.listings": ("OpaquePages", "RefusePages", "WantKnownLast", "WholeList"),
    "lading.testing.manifests": ("ClaimSubject", "FinalTags", "OrElse", "RefuseManifests"),
    "lading.testing.registries": ("Setup", "Sites", "TestRegistry", "direct", "serving"),
    "lading.testing.uploads": (
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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
