"""The corpus once more, under other UIDs: what has been stored cannot be stored again."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.folders import passing

_OURS = re.compile(rb"1\.2\.826\.0\.1\.3680043\.8\.498\.[0-9]{20,39}")
_HEAD = 16 * 1024  # bytes in which all UIDs of a file are
_SALT = 8  # digits at the end of a UID that are changed


def salted(data: bytes, salt: int) -> bytes:
    """The same data set with other UIDs, all changed alike and as long as before."""
    digits = f"{salt:0{_SALT}d}"[-_SALT:].encode()
    head = _OURS.sub(lambda found: found[0][:-_SALT] + digits, data[:_HEAD])
    return head + data[_HEAD:]


@contextmanager
def copies(paths: Sequence[Path], salt: int, work: Path) -> Iterator[list[Path]]:
    """Copies under other UIDs, as long as the block lasts."""
    with passing(work) as folder:
        made = []
        for path in paths:
            made.append(folder / path.name)
            made[-1].write_bytes(salted(path.read_bytes(), salt))
        yield made
