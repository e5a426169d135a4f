"""What real clients send as Accept, and what they get for it: each resource, in one table."""

from urllib.parse import quote

import pytest
from tests.frontends.dicomweb.showing import sample, showing, url

pytestmark = pytest.mark.anyio

CT = sample("CT_small.dcm")
JSON, PLAIN = "application/dicom+json", "application/json"
XML, DICOM, ZIP = "application/dicom+xml", "application/dicom", "application/zip"
PARTS, XML_PARTS = f'multipart/related; type="{DICOM}"', f'multipart/related; type="{XML}"'

METADATA: list[tuple[str, str | None]] = [
    # OHIF, dcmjs and dicomweb-client in JavaScript
    ("application/dicom+json", JSON),
    ("application/json, application/dicom+json", PLAIN),
    # dicomweb-client in Python
    ("application/dicom+json, application/json", JSON),
    ("application/dicom+json; charset=utf-8", JSON),
    ("application/json;charset=iso-8859-1", PLAIN),
    # Weasis, dcm4che
    (XML_PARTS, XML_PARTS),
    ("multipart/related;type=application/dicom+xml", XML_PARTS),
    ("multipart/related; type='application/dicom+xml'", XML_PARTS),
    ('Multipart/Related; Type="Application/DICOM+XML"; transfer-syntax=*', XML_PARTS),
    (f"{XML_PARTS}, application/dicom+json;q=0.9", XML_PARTS),
    (f"{XML_PARTS};q=0.8, application/dicom+json", JSON),
    # old OHIF and cornerstone: everything that they know, in one list
    (
        (
            'multipart/related; type="application/octet-stream"; transfer-syntax=*, '
            "application/dicom+json"
        ),
        JSON,
    ),
    # curl, requests, browsers
    ("*/*", JSON),
    ("", JSON),
    ("application/*", JSON),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", JSON),
    ("rubbish", JSON),
    (';;,,="', JSON),
    # ruled out, or not there
    ("application/dicom+json;q=0, */*", PLAIN),
    ("application/*;q=0, */*;q=0.1", XML_PARTS),
    ("*/*;q=0", None),
    ("text/html", None),
    ("application/dicom+xml", None),
    ("image/jpeg", None),
]
INSTANCES: list[tuple[str, str | None]] = [
    (PARTS, PARTS),
    ("multipart/related; type=application/dicom", PARTS),
    ("multipart/related; type='application/dicom'; transfer-syntax=*", PARTS),
    ('multipart/related; type="application/dicom"; transfer-syntax="*"', PARTS),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', PARTS),
    (
        (
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.70, '
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1;q=0.5'
        ),
        PARTS,
    ),
    (f"{JSON}, {PARTS}", PARTS),
    ("multipart/related", PARTS),
    ("multipart/*", PARTS),
    ("*/*", PARTS),
    ("", PARTS),
    ("application/zip", ZIP),
    ("application/zip; transfer-syntax=*", ZIP),
    ("application/zip, */*;q=0.1", ZIP),
    ("application/zip;q=0.1, */*", PARTS),
    ("application/dicom", None),
    ("application/dicom+json", None),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2', None),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.2', None),
    ("text/html", None),
    ('multipart/related; type="application/dicom";q=0', None),
    ("*/*, multipart/related;q=0, application/dicom;q=0", None),
    ("multipart/related;q=0, application/zip", ZIP),
]
INSTANCE: list[tuple[str, str | None]] = [
    ("application/dicom", DICOM),
    ("application/dicom; transfer-syntax=*", DICOM),
    (f"application/dicom, {PARTS}", DICOM),
    (f"{PARTS}, application/dicom", PARTS),
    (f"{PARTS};q=0.5, application/dicom", DICOM),
    ("*/*", PARTS),
    ("application/zip", ZIP),
    ("image/jpeg", None),
    ("application/dicom;q=0", None),
    ("application/dicom;q=0, */*", PARTS),
    ("multipart/related;q=0, application/dicom", DICOM),
]
RENDERED: list[tuple[str, str | None]] = [
    ("image/jpeg;q=0, */*", "image/png"),
    ("image/jpeg;q=0, image/*", "image/png"),
    ("image/jpeg;q=0", None),
    ("image/*;q=0, */*", None),
    ("*/*;q=0, image/gif", "image/gif"),
]
FRAMES: list[tuple[str, str | None]] = [
    ("application/octet-stream", "application/octet-stream"),
    ("application/octet-stream;q=0", None),
    ("application/octet-stream;q=0, */*", "multipart/related"),
    ("multipart/related;q=0, */*;q=0.5", "application/octet-stream"),
    ("image/x-dicom-rle", "image/dicom-rle"),
    ('multipart/related; type="image/x-dicom-rle"', 'multipart/related; type="image/dicom-rle"'),
]


def study(instance: str) -> str:
    return instance.partition("/series/")[0]


@pytest.mark.parametrize("by", ["header", "parameter"])
@pytest.mark.parametrize(
    ("resource", "accept", "kind"),
    [
        *(("/dicomweb/studies", *each) for each in METADATA),
        *((study(url(CT)) + "/metadata", *each) for each in METADATA),
        *((study(url(CT)), *each) for each in INSTANCES),
        *((url(CT), *each) for each in INSTANCE),
        (url(CT) + "/metadata", XML, XML),
        *((url(CT) + "/rendered", *each) for each in RENDERED),
        *((url(CT) + "/frames/1", *each) for each in FRAMES),
        *((url(CT) + "/pixeldata", *each) for each in FRAMES[1:2]),
    ],
)
async def test_what_a_client_gets(resource: str, accept: str, kind: str | None, by: str) -> None:
    header = accept
    if by == "parameter":
        resource += f"?accept={quote(accept, safe='')}"
        header = "text/html" if kind is not None and "/" in accept else accept
    async with showing([CT]) as client:
        answer = await client.get(resource, headers={"Accept": header})
    if kind is None:
        assert answer.status_code == 406
        error = answer.json()["error"]
        assert "this can be " in error or "cannot be given as asked" in error
    else:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(kind)
