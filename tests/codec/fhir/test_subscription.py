from typing import Any

import orjson
import pytest

from hilum.codec.fhir import subscription
from hilum.model.errors import BadQuery, BadRequest, Unprocessable

GOOD: dict[str, Any] = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "to know",
    "criteria": "ImagingStudy?modality=CT",
    "channel": {"type": "rest-hook", "endpoint": "https://x.example/hook/"},
}


def with_channel(**more: Any) -> dict[str, Any]:
    return {**GOOD, "channel": {**GOOD["channel"], **more}}


def test_what_is_kept_holds_no_secret() -> None:
    found = subscription.read(orjson.dumps(with_channel(header=["Authorization: s3cr3t"])))
    assert subscription.headers(found) == ("Authorization: s3cr3t",)
    assert subscription.said(found) == {
        "reason": "to know",
        "criteria": "ImagingStudy?modality=CT",
        "channel": {"type": "rest-hook", "endpoint": "https://x.example/hook"},
    }


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"[]",
            b"{",
            b'{"resourceType": "Patient"}',
            orjson.dumps({**GOOD, "status": "x y"}),
        ),
        orjson.dumps({name: each for name, each in GOOD.items() if name != "reason"}),
        orjson.dumps({**GOOD, "nonsense": 1}),
    ],
)
def test_what_is_no_subscription_is_refused_and_not_repeated(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        subscription.read(body)
    assert "to know" not in str(caught.value)


@pytest.mark.parametrize(
    "found",
    [
        with_channel(type="email"),
        with_channel(payload="text/plain"),
        with_channel(endpoint=None),
        with_channel(endpoint="nonsense"),
        with_channel(endpoint="https://x.example:port/"),
        with_channel(endpoint="https://eve:pass@x.example/"),
        with_channel(endpoint="https://x.example/?a=b"),
        with_channel(endpoint="https://x.example/#a"),
        with_channel(endpoint="https://x.example/\n"),
        {**GOOD, "end": "2001-01-01T00:00:00Z"},
        {**GOOD, "end": "2999-01-01"},
    ],
)
def test_what_is_not_done_here_is_said(found: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable):
        subscription.said(found)


@pytest.mark.parametrize(
    "header",
    [
        *("nonsense", "X: a\r\nY: b", "X: \x00", "Host: x", "content-length: 1", "X: ä", ": x"),
        *("X:", "Transfer-Encoding: chunked", "X: " + "a" * 5000, None),
    ],
)
def test_no_header_breaks_out_of_its_line(header: str | None) -> None:
    with pytest.raises(Unprocessable) as caught:
        subscription.headers(with_channel(header=[header]))
    assert header is None or header not in str(caught.value) or header in {": x", "X:"}


def test_a_header_is_said_once() -> None:
    with pytest.raises(Unprocessable):
        subscription.headers(with_channel(header=["X: 1", "x: 2"]))
    with pytest.raises(Unprocessable):
        subscription.headers(with_channel(header=[f"X{number}: 1" for number in range(21)]))


def test_criteria_are_a_search_for_studies() -> None:
    assert subscription.parameters("ImagingStudy") == []
    assert subscription.parameters("ImagingStudy?") == []
    assert subscription.parameters("ImagingStudy?a=1%202&b:not=") == [("a", "1 2"), ("b:not", "")]
    for each in (
        *("", "Patient", "Patient?name=x", "ImagingStudy?x", "/ImagingStudy", "imagingstudy"),
        *("ImagingStudy?_count=1", "ImagingStudy?_include=*", "ImagingStudy?" + "a=1&" * 60),
        "ImagingStudy?a=" + "1" * 5000,
    ):
        with pytest.raises(BadQuery):
            subscription.parameters(each)
