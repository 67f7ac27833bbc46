"""File names that Windows would change, or take for something else (Naming Files, Paths, and Namespaces)."""

from __future__ import annotations

# Reserved in every directory and with any extension.
_PORTS = {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *_PORTS})
_FORBIDDEN = frozenset('<>:"/\\|?*')
_LONGEST = 255


def windows_fault(name: str) -> str | None:
    """Return why Windows cannot have a file of this name, as a predicate; None if it can.

    A colon separates the name of a file from that of an alternate stream, and dots and spaces at the end are dropped.
    """
    found = next((character for character in name if character in _FORBIDDEN or ord(character) < 32), None)
    if found is not None:
        return f"contains {found!r}, which no name on Windows has"
    if name.endswith((".", " ")):
        return "ends with a dot or a space, which Windows drops"
    if name.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        return "is the name of a device on Windows"
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST:
        return f"is longer than {_LONGEST} characters"
    return None
