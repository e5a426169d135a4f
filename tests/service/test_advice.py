import re
from pathlib import Path

import pytest

from hilum.service.advice import CHAPTER, advice, parts

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("echo PACS: failed: no connection to pacs:104: refused", "Something is not retrieved"),
        ("reload: mounts.X: unknown key", "A changed configuration is not applied"),
        ("the archive's disk is full", "Something cannot be stored"),
        ("publish: FHIR: errand 7 is given up: 422", "Something cannot be stored"),
    ],
)
def test_a_line_leads_to_what_helps(line: str, part: str) -> None:
    found = advice(line)
    assert found is not None
    assert found.part == part


def test_what_nobody_knows_has_no_advice() -> None:
    assert advice("something else") is None


def test_all_parts_are_headings_of_the_manual() -> None:
    text = (ROOT / CHAPTER).read_text(encoding="utf-8")
    assert parts() <= set(re.findall(r"^## (.+)$", text, re.MULTILINE))
