"""Detection of unsupported endpoints from refusals (distribution-spec, Content Management; extensions).

The responses that mean it differ from endpoint to endpoint. Callers get one error class for all of them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lading.errors import RegistryError, UnsupportedError


@contextmanager
def unsupported_by(status: int, *kinds: type[RegistryError], advice: str) -> Generator[None]:
    """Raise refusals within the context that have this status and exactly one of these classes as `UnsupportedError`.

    Refusals of other classes are raised as they are: the registry gave another reason. `advice` is what to do instead.
    """
    try:
        yield
    except UnsupportedError as error:
        error.add_note(advice)
        raise
    except RegistryError as error:
        if error.status != status or type(error) not in kinds:
            raise
        unsupported = UnsupportedError(
            str(error), request=error.request, status=status, errors=error.errors, response=error.response
        )
        unsupported.add_note(advice)
        raise unsupported from error
