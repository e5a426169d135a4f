import json

import pytest

from hilum.cli.record import web_words
from hilum.cli.record.disguise import Disguise

DISGUISE = Disguise(b"k" * 32)
UID = DISGUISE.uid("1.2.3")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/dicomweb/studies/1.2.3/metadata", f"/dicomweb/studies/{UID}/metadata"),
        ("/aets/PACS/studies", "/aets/PACS/studies"),
        ("/studies/1.2.3/series/1.2.3/instances/1.2.3/frames/1,2", None),
        (
            "/studies?limit=5&offset=0&includefield=all",
            "/studies?limit=5&offset=0&includefield=all",
        ),
        ("/dicomweb/bulkdata/00400275/0/00080100", "/dicomweb/bulkdata/00400275/0/00080100"),
        ("/studies?ModalitiesInStudy=CT", "/studies?ModalitiesInStudy=CT"),
        ("/studies?0020000D=1.2.3", f"/studies?0020000D={UID}"),
    ],
)
def test_words_of_dicomweb_stay(said: str, kept: str | None) -> None:
    found = web_words.target(DISGUISE, said)
    assert found == kept if kept else found.endswith("/frames/1,2")


@pytest.mark.parametrize(
    "said",
    [
        "/studies?PatientName=Doe*",
        "/studies?PatientID=Doe",
        "/studies?anything=Doe",
        "/studies?RequestAttributesSequence.RequestedProcedureID=Doe",
        "/patients/Doe/studies",
        "/aets/PACS/fhir/Patient/Doe",
        "/aets/PACS/fhir/Patient/20250131",
        "/wado?requestType=WADO&studyUID=1.2.3&x=Doe",
        "/studies?StudyDate=20250131-Doe",
    ],
)
def test_values_go(said: str) -> None:
    found = web_words.target(DISGUISE, said)
    assert "Doe" not in found
    assert "1.2.3" not in found
    assert "20250131" not in found
    assert found.partition("?")[0].count("/") == said.partition("?")[0].count("/")


def test_of_secrets_only_their_names_stay() -> None:
    said = [(b"Authorization", b"Bearer abc"), (b"Cookie", b"abc"), (b"X-Api-Key", b"abc")]
    found = web_words.headers([*said, (b"Accept", b"*/*")])
    assert found == {
        "authorization": "(removed)",
        "cookie": "(removed)",
        "x-api-key": "(removed)",
        "accept": "*/*",
    }


def body(kind: str, content: bytes) -> object:
    return web_words.body(DISGUISE, {"content-type": kind}, content)


def test_of_bodies_only_dicom_stays_and_that_is_disguised() -> None:
    told = [{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe"}]}}]
    found = body("application/dicom+json", json.dumps(told).encode())
    assert "00100010" in str(found)
    assert "Doe" not in str(found)
    for kind in ("text/html", "application/json", "application/fhir+json", "image/jpeg", ""):
        assert body(kind, b'{"error": "Doe"}') == {"bytes": 16, "zeros": 16}
    assert body("text/html", b"") is None


def test_a_compressed_body_is_not_looked_into() -> None:
    said = {"content-type": "application/dicom+json", "content-encoding": "gzip"}
    assert web_words.body(DISGUISE, said, b"Doe") == {"bytes": 3, "zeros": 3}
