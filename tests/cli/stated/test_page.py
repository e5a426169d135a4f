import re

from tests.cli.stated.told import settings

from hilum.cli.stated.facts import stated
from hilum.cli.stated.page import page


def test_a_statement_tells_of_everything_that_is_configured() -> None:
    text = page(stated(settings()))
    for each in ("ARCHIVE", "the PACS ORTHANC at pacs.example.org:4242", "RECEIVER"):
        assert each in text
    assert "| VIEWER | VIEWER | 10.0.0.1:104 | no | yes |" in text
    assert "| CT Image Storage | 1.2.840.10008.5.1.4.1.1.2 |" in text


def test_the_behaviour_is_told_in_chapters_of_its_own() -> None:
    text = page(stated(settings()))
    headings = re.findall(r"^(#+) (\d[\d.]*)", text, re.MULTILINE)
    numbers = [number.rstrip(".") for _, number in headings]
    assert len(numbers) == len(set(numbers))
    for marks, number in headings:
        assert len(marks) == number.rstrip(".").count(".") + 2
    assert "#### 7.1.5 Query/Retrieve SCP: C-GET and C-MOVE" in text


def test_what_no_door_gives_is_left_out() -> None:
    text = page(stated(settings(frontend={"mode": "dimse"})))
    assert "QIDO-RS) | CLOUD | no" in text
    assert " DICOMweb\n" not in text
