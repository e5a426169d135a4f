from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.frontends.dicomweb.showing import opened, sample, showing, url

pytestmark = pytest.mark.anyio

CT = sample("CT_small.dcm")
CINE = sample("examples_ybr_color.dcm")
SR = sample("test-SR.dcm")
PLAN = sample("rtplan.dcm")
RLE = "1.2.840.10008.1.2.5"
ILE = "1.2.840.10008.1.2"


def asking(path: Path, **more: str) -> dict[str, str]:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
        **more,
    }


@pytest.mark.parametrize("root", ["/wado", "/dicomweb/wado", "/aets/ONE/wado"])
async def test_an_instance_as_dicom(root: str) -> None:
    async with showing([CT]) as client:
        answer = await client.get(root, params=asking(CT, contentType="application/dicom"))
    assert answer.status_code == 200
    kind = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert answer.headers["content-type"] == kind
    given = pydicom.dcmread(BytesIO(answer.content))
    assert given.PixelData == pydicom.dcmread(CT).PixelData


async def test_transfer_syntaxes() -> None:
    async with showing([CT]) as client:
        for syntax, status in ((ILE, 406), (RLE, 406), ("1.2.840.10008.1.2.1.99", 200)):
            asked = asking(CT, contentType="application/dicom", transferSyntax=syntax)
            assert (await client.get("/wado", params=asked)).status_code == status


@pytest.mark.parametrize(
    ("file", "kind"),
    [(CT, "image/jpeg"), (CINE, "image/jpeg"), (SR, "text/html"), (PLAN, "application/dicom")],
)
async def test_what_comes_where_nothing_is_said(file: Path, kind: str) -> None:
    async with showing([file]) as client:
        answer = await client.get("/wado", params=asking(file))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


async def test_media_types() -> None:
    async with showing([CT, SR]) as client:
        for said, kind in (
            ("image/png", "image/png"),
            ("image/bmp, image/png;q=0.2", "image/png"),
            ("video/mp4, application/dicom", "application/dicom"),
            ("application/dicom, image/jpeg", "application/dicom"),
            ("*/*", "image/jpeg"),
        ):
            answer = await client.get("/wado", params=asking(CT, contentType=said))
            assert answer.headers["content-type"].startswith(kind), said
        headers = {"Accept": "image/png"}
        answer = await client.get("/wado", params=asking(CT), headers=headers)
        assert answer.headers["content-type"] == "image/png"
        answer = await client.get("/wado", params=asking(SR, contentType="text/html"))
        assert b"<html" in answer.content
        refused = await client.get("/wado", params=asking(CT, contentType="video/mp4"))
        assert refused.status_code == 406
        assert "image/jpeg" in refused.json()["error"]


async def test_it_looks_as_a_rendered_resource_does() -> None:
    async with showing([CT]) as client:
        theirs = opened(
            await client.get(
                url(CT) + "/rendered?window=40,400,LINEAR&viewport=64,64&accept=image/png"
            )
        )
        asked = asking(
            CT,
            windowCenter="40",
            windowWidth="400",
            rows="64",
            columns="64",
            contentType="image/png",
        )
        ours = opened(await client.get("/wado", params=asked))
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


async def test_a_region_is_a_part_of_the_image() -> None:
    async with showing([CT, PLAN]) as client:
        whole = opened(await client.get("/wado", params=asking(CT, contentType="image/png")))
        asked = asking(CT, contentType="image/png", region="0.25,0.5,0.75,1")
        part = opened(await client.get("/wado", params=asked))
        assert part.size == (64, 64)
        assert np.array_equal(np.asarray(part), np.asarray(whole)[64:, 32:96])
        small = opened(await client.get("/wado", params={**asked, "rows": "16"}))
        assert small.size == (16, 16)
        refused = await client.get(
            "/wado", params=asking(PLAN, contentType="image/png", region="0,0,1,1")
        )
        assert refused.status_code == 406


async def test_frames() -> None:
    async with showing([CINE]) as client:
        third = await client.get("/wado", params=asking(CINE, frameNumber="3"))
        theirs = await client.get(url(CINE) + "/frames/3/rendered")
        assert third.content == theirs.content
        missing = await client.get("/wado", params=asking(CINE, frameNumber="999"))
        assert missing.status_code == 404


async def test_errors() -> None:
    async with showing([CT]) as client:
        for asked, status in (
            ({}, 400),
            (asking(CT, requestType="X"), 400),
            (asking(CT, objectUID="1.2.3"), 404),
            (asking(CT, objectUID="1.2.3", contentType="application/dicom"), 404),
            (asking(CT, anonymize="yes"), 406),
            (asking(CT, contentType="application/dicom", rows="10"), 400),
        ):
            answer = await client.get("/wado", params=asked)
            assert answer.status_code == status
            assert answer.json()["error"]
        assert (await client.get("/aets/NONE/wado", params=asking(CT))).status_code == 404
