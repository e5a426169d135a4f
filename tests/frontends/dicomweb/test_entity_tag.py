import pytest
from starlette.requests import Request

from hilum.frontends.dicomweb.entity_tag import is_known, strong, weak


def asking(*headers: str) -> Request:
    pairs = [(b"if-none-match", value.encode()) for value in headers]
    return Request({"type": "http", "headers": pairs})


@pytest.mark.parametrize(
    "headers", [('"a"',), ('W/"a"',), ('"b", "a"',), ('"b"', '"a"'), ("*",), ('"",W/"x","a"',)]
)
def test_a_client_that_has_it(headers: tuple[str, ...]) -> None:
    assert is_known(asking(*headers), '"a"')
    assert is_known(asking(*headers), 'W/"a"')


@pytest.mark.parametrize("headers", [(), ("a",), ('"b"',), ('"a',), ("",)])
def test_a_client_that_has_not(headers: tuple[str, ...]) -> None:
    assert not is_known(asking(*headers), '"a"')
    assert not is_known(asking(*headers), 'W/"a"')


def test_a_tag_changes_with_what_it_names() -> None:
    tags = {strong("1"), strong("2"), strong("1", "x"), strong("1", "x", "y"), strong("1", "xy")}
    assert len(tags) == 5
    assert strong("1", "x") == strong("1", "x")
    assert weak(b"a") != weak(b"b")
