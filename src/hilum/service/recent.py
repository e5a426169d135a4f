"""What went wrong of late? The last lines of the log that somebody should look at, in memory.

The same line counts up instead of pushing out others. Lines of Hilum only: those of libraries may
quote what was in a data set.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from hilum.core import correlation
from hilum.core.records import FAILED, Tally
from hilum.core.summary import described, in_words
from hilum.service.advice import Advice, advice
from hilum.service.logging import describe, one_line

MOST: Final = 100  # different lines
_LONGEST: Final = 600  # characters


@dataclass(frozen=True, slots=True)
class Line:
    """One line, as often as it was said.

    Attributes:
        when: the last time, in seconds since the epoch.
        level: such as "WARNING".
        room: who said it.
        text: what; without anything of a patient.
        advice: what it means; None: nobody knows.
        request: the last one for which it was said; "" for none.
    """

    when: float
    level: str
    room: str
    text: str
    advice: Advice | None
    request: str = ""
    count: int = 1


class Recent(logging.Handler):
    """Keeps them. Also implements `core.records.Records`: operations that failed are among them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: OrderedDict[tuple[str, str, str], Line] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`; called by any thread, with the handler's lock."""
        text = record.getMessage()
        if record.exc_info:
            text += ": " + describe(record.exc_info).rpartition("\n")[2]
        self._add(record.levelname, record.name.removeprefix("hilum."), text)

    def began(self, _tally: Tally, /) -> None:
        """Nothing yet."""

    def stored(self, _tally: Tally, _seconds: float, /) -> None:
        """It is told of all together."""

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        fields = described(tally, error)
        if fields["outcome"] == FAILED:
            fields = {name: fields[name] for name in fields if name not in {"who", "bytes"}}
            text = in_words(fields).rpartition(",")[0]  # without how long it took
            self.acquire()
            try:
                self._add("ERROR", "operation", text)
            finally:
                self.release()

    def now(self) -> Sequence[Line]:
        """All, the last one first."""
        return [*reversed(self._lines.values())]

    def _add(self, level: str, room: str, text: str) -> None:
        text = one_line(text)[:_LONGEST]
        key = (level, room, text)
        request = correlation.now().request_id
        said = self._lines.pop(key, None)
        if said is None:
            said = Line(time.time(), level, room, text, advice(text), request)
        else:
            said = replace(said, when=time.time(), count=said.count + 1, request=request)
        self._lines[key] = said
        while len(self._lines) > MOST:
            self._lines.popitem(last=False)


@contextmanager
def remembering() -> Iterator[Recent]:
    """What went wrong, gathered until the block is left."""
    recent, log = Recent(), logging.getLogger("hilum")
    log.addHandler(recent)  # the root's are taken away with each change of `[logging]`
    try:
        yield recent
    finally:
        log.removeHandler(recent)
