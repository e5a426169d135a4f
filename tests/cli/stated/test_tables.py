import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from hilum.cli.stated.tables import TABLES, statuses
from hilum.codec.verdict import VERDICTS, Dimse

SOURCE = Path(__file__).parents[3] / "src" / "hilum"
PAGE = Path(__file__).parents[3] / "doc" / "conformance.md"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_as_many_cells_in_each_row(name: str) -> None:
    lines = TABLES[name]().splitlines()
    assert len({line.count(" | ") + line.count(" |  |") for line in lines[:1]}) == 1
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) > 2


def test_every_kind_of_failure_is_in_the_table() -> None:
    for kind in VERDICTS:
        assert f"| {kind.__name__}: " in statuses()


def test_every_status_of_dimse_is_in_the_statement() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [each.name for each in Dimse if f"{each.value:04X}" not in text]
    assert not missing


def spoken() -> Iterator[int]:
    """The statuses of HTTP that the doors say, as far as they stand in their code."""
    for path in [*(SOURCE / "frontends").rglob("*.py"), *(SOURCE / "net").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="HTTPStatus"), attr=name):
                    yield HTTPStatus[name].value
                case ast.keyword(arg="status_code", value=ast.Constant(value=int(status))):
                    yield status
                case ast.Call(
                    func=ast.Name(id="Response"), args=[_, ast.Constant(value=int(status)), *_]
                ):
                    yield status


def test_every_status_of_http_is_in_the_statement() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = {*spoken(), *(verdict.http.value for verdict in VERDICTS.values())}
    assert {204, 303, 304, 429, 502} <= found
    missing = sorted(each for each in found if not re.search(rf"\b{each}\b", text))
    assert not missing
