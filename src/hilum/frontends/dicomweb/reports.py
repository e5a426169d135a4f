"""What is missing from answers that have begun? Kept a while, for who follows their link."""

import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.model.errors import NotFound

LINGER: Final = 3600.0  # seconds
MOST: Final = 100_000  # UIDs in all of them together, and one for each


@dataclass(slots=True)
class _Report:
    mount: str
    said: dict[str, Any]
    weight: int
    made: float = field(default_factory=time.monotonic)


class Reports:
    """They are in memory: a restart forgets them, as it ends the answers they are about.

    Args:
        mark: what their names end with.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._reports: OrderedDict[str, _Report] = OrderedDict()
        self._weight = 0

    def add(self, mount: str, said: dict[str, Any], name: str = "") -> str:
        """Keep one; its name, which may be that of one that it takes the place of."""
        name = name or uuid.uuid4().hex + self._mark
        self._drop(name)
        report = _Report(mount, {"id": name, **said}, 1 + len(said.get("missing", ())))
        self._reports[name] = report
        self._weight += report.weight
        self._forget()
        return name

    def get(self, mount: str, name: str) -> dict[str, Any] | None:
        """The one of that name, if it is about that mount."""
        self._forget()
        report = self._reports.get(name)
        return report.said if report is not None and report.mount == mount else None

    def remove(self, mount: str, name: str) -> None:
        """Forget one.

        Raises:
            NotFound: there is none.
        """
        if self.get(mount, name) is None:
            raise NotFound("no such job")
        self._drop(name)

    def _drop(self, name: str) -> None:
        if (report := self._reports.pop(name, None)) is not None:
            self._weight -= report.weight

    def _forget(self) -> None:
        old = time.monotonic() - LINGER
        while self._reports:
            name, first = next(iter(self._reports.items()))
            alone = len(self._reports) == 1
            if first.made > old and (self._weight <= MOST or alone):
                return
            self._drop(name)
