from pathlib import Path

from hilum.cli.stated.general import rewritten, sections
from hilum.cli.stated.tables import TABLES

PAGE = Path(__file__).parents[3] / "doc" / "conformance.md"


def test_the_tables_of_the_general_statement_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- {name}: begin -->" in text for name in TABLES)
    assert text == rewritten(text), "run: python -m hilum.cli.stated.general doc/conformance.md"


def test_its_sections_have_no_marks_and_no_links_into_the_manual() -> None:
    found = sections()
    assert [*found][:3] == ["Overview", "DIMSE", "DICOMweb"]
    assert "<!--" not in "".join(found.values())
    assert "](manual/" not in "".join(found.values())
