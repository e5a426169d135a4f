from typing import Any

import pytest

from hilum.cli.record.disguise import Disguise
from hilum.cli.record.tap_http import HttpTap

ASKED = (
    b"GET /studies HTTP/1.1\r\nHost: x\r\n\r\n"
    b"HEAD /studies HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /studies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)
ANSWERED = (
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}"
)


def heard(pieces: list[tuple[str, bytes]]) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = []

    def say(kind: str, _side: str, **held: Any) -> None:
        said.append((kind, held.get("method") or held.get("status")))

    tap = HttpTap(Disguise(), say)
    for side, data in pieces:
        tap.feed(side, data)
    tap.close("requestor")
    tap.close("acceptor")
    return said


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_requests_and_answers_of_one_connection_are_told_apart(step: int) -> None:
    asked = [("requestor", ASKED[at : at + step]) for at in range(0, len(ASKED), step)]
    answered = [("acceptor", ANSWERED[at : at + step]) for at in range(0, len(ANSWERED), step)]
    said = heard([*asked, *answered])
    assert [each for each in said if each[0] == "request"] == [
        ("request", "GET"),
        ("request", "HEAD"),
        ("request", "POST"),
    ]
    assert [each[1] for each in said if each[0] == "response"] == [204, 200, 409]
    assert "broken" not in {each[0] for each in said}


def test_an_answer_that_comes_before_the_end_of_its_request_is_heard() -> None:
    said = heard([("requestor", ASKED[:-5]), ("acceptor", ANSWERED), ("requestor", ASKED[-5:])])
    assert [each[1] for each in said if each[0] == "response"] == [204, 200, 409]


def test_an_answer_that_ends_with_its_connection_is_heard() -> None:
    said = heard([
        ("requestor", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("acceptor", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"),
    ])  # fmt: skip
    assert ("response", 200) in said


def test_what_is_no_http_is_said_to_be_none() -> None:
    assert ("broken", None) in heard([("requestor", b"HELLO\r\nyou\r\n\r\n")])
