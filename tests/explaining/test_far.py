from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.explaining.far import opened
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "backend", "sends"),
    [
        ("PACS", "dimse: ORTHANC at pacs.example.org:4242", "C-FIND (Study Root) to ORTHANC"),
        ("CLOUD", "dicomweb: https://cloud.example.org/dicom-web", "GET https://cloud.example.org"),
        ("INDEX", "fhir: https://fhir.example.org/r4", "GET https://fhir.example.org/r4/ImagingSt"),
    ],
)
async def test_a_mount_says_what_it_would_send_without_a_connection(
    tmp_path: Path, name: str, backend: str, sends: str
) -> None:
    async with opened(settings(tmp_path), name) as far:
        assert far.named == backend
        assert far.asks is not None
        assert far.asks.told(Query(Level.STUDY))[0].startswith(sends)


async def test_an_archive_sends_nothing(tmp_path: Path) -> None:
    async with opened(settings(tmp_path), "ARCHIVE") as far:
        assert far.asks is None
        assert far.named.startswith("archive in ")
