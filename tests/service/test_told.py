import logging

import pytest

from hilum.core import operations as ops
from hilum.core.correlation import Correlation, within
from hilum.core.records import Tally
from hilum.core.summary import described, in_words
from hilum.model.errors import BackendTimeout
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof
from hilum.model.query import Query
from hilum.service.told import Several, Told

KEYS = {(0x00100010,): "Doe^Jane", (0x00100020,): "P1"}
FIND = ops.Find(
    mount="ARCHIVE",
    who=Principal("alice", Proof.TOKEN),
    query=Query(level=Level.STUDY, match=KEYS),  # type: ignore[arg-type] # as it comes
)


def test_a_line_says_what_was_done_and_nothing_of_a_patient(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tally = Tally(FIND)
    tally.count = 3
    Told().ended(tally, None)
    [record] = caplog.records
    assert record.getMessage().startswith("query ARCHIVE for alice: 3 matches, ")
    fields = record.__dict__["fields"]
    assert fields.pop("milliseconds") >= 0
    assert fields == {
        "operation": "query",
        "mount": "ARCHIVE",
        "who": "alice",
        "outcome": "ok",
        "matches": 3,
    }


def test_what_failed_is_said_in_our_words_only() -> None:
    told = in_words(described(Tally(FIND), BackendTimeout("the PACS did not answer")))
    assert told.startswith("query ARCHIVE for alice: failed: the PACS did not answer, 0 matches, ")
    assert "Doe" not in in_words(described(Tally(FIND), ValueError("Doe^Jane")))
    send = Tally(ops.Send(mount="PACS", refs=(), destination="SINK"), count=2, failed=1, size=9)
    assert in_words(described(send, None)).startswith(
        "send PACS to SINK: 2 instances, 1 failed, 9 bytes, "
    )


def test_what_is_done_for_an_http_request_is_left_to_its_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    request = Correlation("abc", told=[])
    with within(request):
        Told().ended(Tally(FIND), None)
    assert not caplog.records
    assert request.told is not None
    assert request.told[0]["operation"] == "query"
    caplog.set_level(logging.WARNING)
    Told().ended(Tally(FIND), None)
    assert not caplog.records


def test_all_who_count_are_told() -> None:
    class Heard(list[str]):
        def began(self, _tally: Tally) -> None:
            self.append("began")

        def stored(self, _tally: Tally, _seconds: float) -> None:
            self.append("stored")

        def ended(self, _tally: Tally, _error: BaseException | None) -> None:
            self.append("ended")

    one, two = Heard(), Heard()
    both, tally = Several(one, two), Tally(FIND)
    both.began(tally)
    both.stored(tally, 1.0)
    both.ended(tally, None)
    assert one == two == ["began", "stored", "ended"]
