from pathlib import Path

import pytest

from hilum.cli.stated.tables import TABLES, statuses
from hilum.codec.verdict import VERDICTS, Dimse

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
