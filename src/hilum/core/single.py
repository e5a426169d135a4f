"""What becomes of one failure in a task group? Callers know it by its kind: it stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_it_was() -> Iterator[None]:
    """Take a failure out of the group of exceptions that it is alone in."""
    try:
        yield
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) != 1:
            raise
        raise failures.exceptions[0] from None
