from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.explaining.far import opened
from hilum.explaining.moving import moving
from hilum.explaining.request import of_line
from hilum.model.errors import UnknownDestination

pytestmark = pytest.mark.anyio

SEND = "studies/send-requests/1.9?StudyInstanceUID=1.2&destination="


async def told(folder: Path, line: str) -> str:
    """All lines of all ways."""
    known = settings(folder)
    request = of_line(line, known)
    async with opened(known, request.mount) as far:
        ways = moving(request, far, known)
    lines: list[str] = []
    for way in ways:
        lines += [way.when, *way.notes]
        lines += [
            line for step in way.steps for sent in (step.sends or [[step.why]]) for line in sent
        ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "GET /aets/PACS/studies/1.2/series/1.3",
            ["C-FIND", "C-GET from ORTHANC", "C-MOVE to HILUM"],
        ),
        ("GET /aets/STRICT/studies/1.2", ["C-MOVE by OLD at old.example.org:104 to HILUM_IN"]),
        (
            "GET /aets/CLOUD/studies/1.2",
            [
                "GET https://cloud.example.org/wado/studies/1.2",
                "includefield=00201208",
                "/studies/1.2/instances?",
            ],
        ),
        ("GET /aets/ARCHIVE/studies/1.2", ["files of the archive"]),
        ("GET /aets/PACS/studies/1.2/metadata", ["C-GET", "read here"]),
        ("GET /aets/CLOUD/studies/1.2/metadata", ["/wado/studies/1.2/metadata", "has none"]),
        ("GET /aets/ARCHIVE/studies/1.2/metadata", ["index"]),
        (
            "GET /aets/CLOUD/studies/1.2/series/1.3/instances/1.4/bulkdata/7FE00010",
            ["URL that it gives"],
        ),
        ("POST /aets/PACS/studies", ["C-STORE to ORTHANC", "nothing is kept"]),
        ("POST /aets/CLOUD/studies/1.2", ["POST https://cloud.example.org/dicom-web/studies/1.2"]),
        ("POST /aets/ARCHIVE/studies", ["duplicates: keep"]),
        (
            "GET /aets/INDEX/studies/1.2/series/1.3",
            ["/ImagingStudy?identifier=urn:dicom:uid|urn:oid:1.2", "GET {address}/studies/1.2/ser"],
        ),
        ("GET /aets/INDEX/studies/1.2/metadata", ["{address}/studies/1.2/metadata", "has none"]),
        (f"POST /aets/PACS/{SEND}VIEWER", ["C-STORE at VIEWER (viewer.example.org:11113)"]),
        (f"POST /aets/PACS/{SEND}WORKSTATION", ["passed on: C-MOVE by ORTHANC to WORKSTATION"]),
        (f"POST /aets/PACS/{SEND}ARCHIVE", ["stored at the mount ARCHIVE"]),
        (f"POST /aets/ARCHIVE/{SEND}HILUM", ["stored at the mount PACS"]),
        (f"POST /aets/ARCHIVE/{SEND}REGISTER", ["https://register.example.org/dicomweb/studies"]),
        (f"POST /aets/CLOUD/{SEND}VIEWER", ["passed on: Send", "C-STORE at VIEWER"]),
    ],
)
async def test_the_way_is_told(tmp_path: Path, line: str, says: list[str]) -> None:
    text = await told(tmp_path, line)
    for each in says:
        assert each in text


async def test_a_fhir_server_takes_no_instances(tmp_path: Path) -> None:
    known = settings(tmp_path)
    async with opened(known, "INDEX") as far:
        (way,) = moving(of_line("POST /aets/INDEX/studies", known), far, known)
    assert "takes no instances" in way.refused


async def test_an_unknown_destination_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownDestination, match="did you mean VIEWER"):
        await told(tmp_path, f"POST /aets/PACS/{SEND}VIEWR")
