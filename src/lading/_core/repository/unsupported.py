"""Detection of unsupported endpoints from refusals (distribution-spec, Content Management; extensions).

Which answer says so differs from endpoint to endpoint. To callers it is one error, so that they can go another way.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lading.errors import RegistryError, UnsupportedError


@contextmanager
def unsupported_by(status: int, *kinds: type[RegistryError], advice: str) -> Generator[None]:
    """Raise refusals within the context that have this status and just one of these classes as `UnsupportedError`.

    Those of another class keep it: the registry has said what it means. `advice` is what to do instead.
    """
    try:
        yield
    except UnsupportedError as error:
        error.add_note(advice)
        raise
    except RegistryError as error:
        if error.status != status or type(error) not in kinds:
            raise
        unsupported = UnsupportedError(str(error), request=error.request, status=status, errors=error.errors)
        unsupported.add_note(advice)
        raise unsupported from error
