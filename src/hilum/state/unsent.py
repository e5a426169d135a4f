"""Which lines of the audit has nobody got yet? A place in its files, kept in a file of its own."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hilum.state.journal import numbers, path_of

log = logging.getLogger(__name__)

MOST: Final = 256 * 1024  # bytes that are read at a time
_NAME: Final = "delivered.json"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Between two lines.

    Attributes:
        number: of the file.
        offset: bytes of it before.
    """

    number: int
    offset: int


class Unsent:
    """Reads what comes after a place; all methods block.

    Where no place is kept yet, reading begins at the end: what was recorded before somebody wanted
    to have it sent is not.

    Args:
        folder: of the audit; it is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.settled = self._kept()
        self._at = self.settled

    def read(self) -> tuple[list[bytes], Place]:
        """The next lines, without their ends, and the place behind them; none when all are read."""
        there = numbers(self._folder)
        if there and self._at.number < there[0]:
            log.error(
                "the audit has lost lines that syslog has not got: audit.max_files is reached"
            )
            self._at = Place(there[0], 0)
        while True:
            # Looked for first: once there is a next file, nothing more comes into this one.
            is_last = not path_of(self._folder, self._at.number + 1).exists()
            data = self._bytes()
            end = data.rfind(b"\n") + 1
            if end:
                self._at = Place(self._at.number, self._at.offset + end)
                return data[:end].split(b"\n")[:-1], self._at
            if is_last:
                return [], self._at
            self._at = Place(self._at.number + 1, 0)

    def rewind(self) -> None:
        """Read again what is not settled."""
        self._at = self.settled

    def settle(self, place: Place) -> None:
        """What comes before that place was sent, also for who comes after us.

        Raises:
            OSError: that cannot be kept.
        """
        path = self._folder / _NAME
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="ascii") as file:
            json.dump({"file": place.number, "offset": place.offset}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self.settled = place

    def _bytes(self) -> bytes:
        try:
            with path_of(self._folder, self._at.number).open("rb") as file:
                file.seek(self._at.offset)
                data = file.read(MOST)
                while data and b"\n" not in data and (more := file.read(MOST)):
                    data += more
                return data
        except FileNotFoundError:
            return b""

    def _kept(self) -> Place:
        try:
            said = json.loads((self._folder / _NAME).read_text(encoding="ascii"))
            return Place(int(said["file"]), int(said["offset"]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("%s cannot be read: the audit is sent from the beginning", _NAME)
            return Place(min(numbers(self._folder), default=1), 0)
        last = max(numbers(self._folder), default=1)
        place = Place(last, path_of(self._folder, last).stat().st_size)
        self.settle(place)
        return place
