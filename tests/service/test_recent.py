import logging

import pytest

from hilum.core import correlation
from hilum.core.correlation import Correlation
from hilum.core.operations import Echo
from hilum.core.records import Tally
from hilum.model.errors import BackendUnavailable, BadRequest
from hilum.model.principal import Principal
from hilum.service import recent
from hilum.service.recent import remembering

log = logging.getLogger("hilum.somewhere")


def test_warnings_and_errors_are_remembered_with_what_helps_the_last_one_first() -> None:
    with remembering() as kept, correlation.within(Correlation("R1")):
        log.info("all is well")
        log.warning("no connection to %s:%d: refused", "pacs.example", 104)
        log.error("something\nelse")
        first, second = kept.now()
    log.warning("nobody hears this any more")
    assert (first.text, first.advice, first.request) == ("something\\x0aelse", None, "R1")
    assert (second.level, second.room) == ("WARNING", "somewhere")
    assert second.text == "no connection to pacs.example:104: refused"
    assert second.advice is not None
    assert "firewall" in second.advice.text
    assert len(kept.now()) == 2


def test_the_same_line_counts_up_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST", 2)
    with remembering() as kept:
        for text in ("a", "b", "a", "c"):
            log.warning(text)
        assert [(each.text, each.count) for each in kept.now()] == [("c", 1), ("a", 2)]


def test_an_exception_is_named_without_its_words() -> None:
    with remembering() as kept:
        try:
            int("DOE^JOHN")
        except ValueError:
            log.exception("request 7 failed")
        assert kept.now()[0].text == "request 7 failed: builtins.ValueError"


def test_operations_that_failed_are_among_them_those_that_were_asked_wrongly_are_not() -> None:
    tally = Tally(Echo(mount="PACS", who=Principal("ann"), request_id="1"))
    with remembering() as kept:
        kept.began(tally)
        kept.stored(tally, 0.1)
        kept.ended(tally, None)
        kept.ended(tally, BadRequest("no"))
        for _ in range(2):
            kept.ended(tally, BackendUnavailable("no connection to pacs:104: refused"))
        (only,) = kept.now()
    assert (only.text, only.count) == (
        "echo PACS: failed: no connection to pacs:104: refused",
        2,
    )
