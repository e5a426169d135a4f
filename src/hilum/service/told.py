"""What is said in the log of an operation? One line at its end, without anything of a patient."""

import logging

from hilum.core import correlation
from hilum.core.records import Records, Tally
from hilum.core.summary import described, in_words

log = logging.getLogger(__name__)


class Told:
    """Implements `core.records.Records`.

    What is done for an HTTP request is told in the line of that request.
    """

    def began(self, _tally: Tally, /) -> None:
        """Nothing yet."""

    def stored(self, _tally: Tally, _seconds: float, /) -> None:
        """It is told of all together."""

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        if not log.isEnabledFor(logging.INFO):
            return
        fields = described(tally, error)
        gathered = correlation.now().told
        if gathered is not None:
            gathered.append(fields)
            return
        log.info("%s", in_words(fields), extra={"fields": fields})


class Several:
    """Implements `core.records.Records`: tells several."""

    def __init__(self, *records: Records) -> None:
        self._records = records

    def began(self, tally: Tally, /) -> None:
        """See `core.records.Records`."""
        for each in self._records:
            each.began(tally)

    def stored(self, tally: Tally, seconds: float, /) -> None:
        """See `core.records.Records`."""
        for each in self._records:
            each.stored(tally, seconds)

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        for each in self._records:
            each.ended(tally, error)
