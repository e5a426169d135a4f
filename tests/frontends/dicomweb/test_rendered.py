from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from tests import samples
from tests.frontends.dicomweb.showing import Bench, keep, opened, sample, showing, url

from hilum.backends.memory import Memory
from hilum.config.imaging import ImagingSettings
from hilum.core.backend import Lent
from hilum.model.identity import Ref
from hilum.workshop.pool import open_workshop

pytestmark = pytest.mark.anyio

CT = sample("CT_small.dcm")
RGB = sample("examples_rgb_color.dcm")
CINE = sample("examples_ybr_color.dcm")
SR = sample("test-SR.dcm")
PLAN = sample("rtplan.dcm")


def parts_of(answer: httpx.Response) -> list[tuple[str, bytes]]:
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.content, policy=policy.HTTP)
    assert message.get_content_type() == "multipart/related"
    return [
        (part["content-type"], part.get_payload(decode=True))  # type: ignore[misc]
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/gif"])
@pytest.mark.parametrize("file", [CT, RGB], ids=["grey", "colour"])
async def test_an_instance_in_each_media_type(kind: str, file: object) -> None:
    async with showing([file]) as client:
        image = opened(await client.get(url(file) + "/rendered", headers={"Accept": kind}))
        assert image.size == ((128, 128) if file is CT else (320, 240))
        assert np.asarray(image.convert("L")).std() > 20


async def test_jpeg_is_what_comes_where_nothing_is_said() -> None:
    async with showing([CT]) as client:
        for accept in ("*/*", "image/*", "text/html, */*;q=0.1", "multipart/related, */*;q=0.2"):
            answer = await client.get(url(CT) + "/rendered", headers={"Accept": accept})
            assert "image/jpeg" in answer.headers["content-type"]
        answer = await client.get(url(CT) + "/rendered?accept=image/png")
        assert answer.headers["content-type"] == "image/png"


async def test_who_takes_parts_only_gets_one_part() -> None:
    accept = {"Accept": 'multipart/related; type="image/png"'}
    async with showing([CT]) as client:
        ((kind, data),) = parts_of(await client.get(url(CT) + "/rendered", headers=accept))
        assert kind == "image/png"
        assert Image.open(BytesIO(data)).size == (128, 128)


async def test_several_frames_are_one_picture_that_moves_or_the_first_of_them() -> None:
    async with showing([CINE]) as client:
        still = opened(await client.get(url(CINE) + "/rendered"))
        first = opened(await client.get(url(CINE) + "/frames/1/rendered"))
        assert still.tobytes() == first.tobytes()
        moving = opened(
            await client.get(
                url(CINE) + "/rendered?viewport=64,64", headers={"Accept": "image/gif"}
            )
        )
        assert (moving.n_frames, moving.size) == (30, (64, 48))


async def test_a_list_of_frames_comes_in_its_order() -> None:
    async with showing([CINE]) as client:
        alone = [await client.get(url(CINE) + f"/frames/{n}/rendered") for n in (7, 3)]
        parts = parts_of(await client.get(url(CINE) + "/frames/7,3/rendered"))
        assert [data for _, data in parts] == [each.content for each in alone]
        assert {kind for kind, _ in parts} == {"image/jpeg"}


@pytest.mark.parametrize(
    ("frames", "status"),
    [("31", 404), ("1,31", 404), ("0", 400), ("1,,2", 400), ("a", 400), ("-1", 400),
     ("1,%202", 400), (",".join(["1"] * 1001), 413), ("999999999", 404)],
)  # fmt: skip
async def test_frames_that_are_not_there(frames: str, status: int) -> None:
    async with showing([CINE]) as client:
        answer = await client.get(f"{url(CINE)}/frames/{frames}/rendered")
        assert answer.status_code == status


async def test_the_window_that_is_asked_for() -> None:
    async with showing([CT]) as client:
        shown = [
            opened(
                await client.get(
                    url(CT) + "/rendered", params={"window": window, "accept": "image/png"}
                )
            )
            for window in (
                "40,400,LINEAR",
                "40,400,linear",
                "40,400,linear-exact",
                "-600,1500,SIGMOID",
                "5000,2,LINEAR",
            )
        ]
        assert shown[0].tobytes() == shown[1].tobytes()
        assert shown[0].tobytes() != shown[3].tobytes()
        assert not np.asarray(shown[4]).any()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("window=40,400", "window"),
        ("window=40,0,LINEAR", "window"),
        ("window=a,400,LINEAR", "window"),
        ("window=40,400,CUBIC", "window"),
        ("window=40,nan,LINEAR", "window"),
        ("window=1,2,LINEAR&window=1,2,LINEAR", "window"),
        ("viewport=100", "viewport"),
        ("viewport=0,100", "viewport"),
        ("viewport=100,100,1,1,0,5", "viewport"),
        ("viewport=100,100,1000,1000", "viewport"),
        ("viewport=99999,99999", "viewport"),
        ("viewport=16384,16384", "viewport"),
        ("quality=0", "quality"),
        ("quality=101", "quality"),
        ("quality=high", "quality"),
        ("annotation=everything", "annotation"),
        ("iccprofile=cmyk", "iccprofile"),
        ("color=red", "color"),
        ("Window=40,400,LINEAR", "Window"),
    ],
)
async def test_a_wrong_parameter_is_named(query: str, name: str) -> None:
    async with showing([CT]) as client:
        answer = await client.get(f"{url(CT)}/rendered?{query}")
        assert answer.status_code == 400
        assert name in answer.json()["error"]


async def test_a_region_scaled_and_flipped() -> None:
    png = {"accept": "image/png"}
    async with showing([RGB]) as client:
        whole = opened(await client.get(url(RGB) + "/rendered", params=png))
        cut = opened(
            await client.get(
                url(RGB) + "/rendered", params={**png, "viewport": "80,60,40,20,80,60"}
            )
        )
        assert cut.tobytes() == whole.crop((40, 20, 120, 80)).tobytes()
        flipped = opened(
            await client.get(
                url(RGB) + "/rendered", params={**png, "viewport": "320,240,,,-320,-240"}
            )
        )
        assert flipped.tobytes() == whole.transpose(Image.Transpose.ROTATE_180).tobytes()


async def test_text_is_burnt_in_only_where_it_is_wished() -> None:
    async with showing([CT]) as client:
        path = url(CT) + "/rendered?accept=image/png"
        plain = opened(await client.get(path)).tobytes()
        patient = opened(await client.get(path + "&annotation=patient")).tobytes()
        both = opened(await client.get(path + "&annotation=patient,technique")).tobytes()
        assert len({plain, patient, both}) == 3


@pytest.mark.parametrize("profile", ["no", "yes", "srgb", "adobergb", "rommrgb"])
async def test_a_profile_is_embedded(profile: str) -> None:
    async with showing([RGB]) as client:
        for kind in ("image/jpeg", "image/png"):
            image = opened(
                await client.get(f"{url(RGB)}/rendered?iccprofile={profile}&accept={kind}")
            )
            assert bool(image.info.get("icc_profile")) == (profile != "no")


async def test_what_is_no_image_comes_as_what_it_is() -> None:
    async with showing([SR, PLAN]) as client:
        answer = await client.get(url(SR) + "/rendered")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox" in answer.headers["content-security-policy"]
        answer = await client.get(url(SR) + "/rendered", headers={"Accept": "text/plain"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "<" not in answer.text.partition("\n")[0]
        answer = await client.get(url(SR) + "/rendered", headers={"Accept": "image/jpeg"})
        assert answer.status_code == 406
        assert "text/html" in answer.json()["error"]
        for tail in ("/rendered", "/frames/1/rendered"):
            assert (await client.get(url(PLAN) + tail)).status_code == 406


@pytest.mark.skipif(not samples.DERIVED, reason="needs the samples")
async def test_documents_and_videos_are_given_as_they_are_kept() -> None:
    pdf, video = sample("sample-pdf.dcm"), sample("video_mpeg4_avc.dcm")
    async with showing([pdf, video]) as client:
        answer = await client.get(url(pdf) + "/rendered")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF")
        assert int(answer.headers["content-length"]) == len(answer.content)
        answer = await client.get(url(video) + "/rendered")
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.content[4:8] == b"ftyp"
        assert (await client.get(url(video) + "/frames/1/rendered")).status_code == 406
        study = url(pdf).partition("/series")[0]
        ((kind, data),) = parts_of(await client.get(study + "/rendered"))
        assert kind == "application/pdf"
        assert data.startswith(b"%PDF")


async def test_a_series_and_a_study_are_rendered_in_parts() -> None:
    files = [CT, SR, PLAN, RGB]
    async with showing(files) as client:
        for file in (CT, RGB):
            series, study = url(file).partition("/instances")[0], url(file).partition("/series")[0]
            for path in (series, study):
                parts = parts_of(await client.get(path + "/rendered"))
                assert [kind for kind, _ in parts] == ["image/jpeg"]
        study = url(PLAN).partition("/series")[0]
        assert (await client.get(study + "/rendered")).status_code == 406
        assert (await client.get("/dicomweb/studies/1.2.3/rendered")).status_code == 404


async def test_what_was_rendered_once_is_not_rendered_again() -> None:
    bench = Bench()
    async with showing([CT], bench) as client:
        first = await client.get(url(CT) + "/rendered")
        again = await client.get(url(CT) + "/rendered")
        assert again.content == first.content
        assert bench.done == 1
        known = {"If-None-Match": first.headers["etag"]}
        answer = await client.get(url(CT) + "/rendered", headers=known)
        assert (answer.status_code, answer.content) == (304, b"")
        answer = await client.get(url(CT) + "/rendered?quality=10", headers=known)
        assert answer.status_code == 200
        assert len(answer.content) < len(first.content)


async def test_what_is_not_there() -> None:
    async with showing([CT]) as client:
        for tail in ("/rendered", "/frames/1/rendered"):
            answer = await client.get("/dicomweb/studies/1.2/series/1.3/instances/1.4" + tail)
            assert answer.status_code == 404


async def test_a_mount_that_lends_nothing_renders_nothing() -> None:
    async with showing([CT], lends=None) as client:
        assert (await client.get(url(CT) + "/rendered")).status_code == 501


async def test_in_processes_of_its_own() -> None:
    async with open_workshop(ImagingSettings()) as workshop, showing([CT], workshop) as client:
        assert opened(await client.get(url(CT) + "/rendered")).size == (128, 128)
        assert (await client.get(url(CT) + "/frames/2/rendered")).status_code == 404


class Replaced:
    """Lends a file that is gone by then, as another process has replaced it; then the new one."""

    def __init__(self, memory: Memory, times: int) -> None:
        self._memory = memory
        self._left = times

    @asynccontextmanager
    async def lend(self, ref: Ref, /) -> AsyncIterator[Lent]:
        async with self._memory.lend(ref) as lent:
            self._left -= 1
            gone = f"{lent.path}.gone"
            yield lent if self._left < 0 else replace(lent, path=gone, key=gone)


@pytest.mark.parametrize("what", ["rendered", "thumbnail", "frames/1", "frames/1/rendered"])
@pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 502)])
async def test_what_was_replaced_meanwhile_is_looked_up_once_more(
    what: str, times: int, status: int
) -> None:
    memory = Memory("ONE")
    await keep(memory, CT.read_bytes())
    async with showing([CT], lends=Replaced(memory, times)) as client:
        assert (await client.get(f"{url(CT)}/{what}")).status_code == status
