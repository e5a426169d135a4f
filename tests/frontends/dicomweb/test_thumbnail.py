import httpx
import pydicom
import pytest
from tests.frontends.dicomweb.showing import Bench, keep, opened, sample, showing, url

from hilum.backends.memory import Memory

pytestmark = pytest.mark.anyio

CT = sample("CT_small.dcm")
CINE = sample("examples_ybr_color.dcm")
PLAN = sample("rtplan.dcm")


async def test_at_every_level() -> None:
    async with showing([CT, CINE, PLAN]) as client:
        for file, size in ((CT, (128, 128)), (CINE, (128, 96))):
            instance = url(file)
            series, study = instance.partition("/instances")[0], instance.partition("/series")[0]
            for path in (study, series, instance, instance + "/frames/1"):
                assert opened(await client.get(path + "/thumbnail")).size == size
        instance = url(PLAN)
        for path in (
            instance.partition("/series")[0],
            instance.partition("/instances")[0],
            instance,
        ):
            assert (await client.get(path + "/thumbnail")).status_code == 404
        assert (await client.get("/dicomweb/studies/1.2/thumbnail")).status_code == 404


async def test_of_several_frames_the_middle_one() -> None:
    async with showing([CINE]) as client:
        middle = await client.get(url(CINE) + "/thumbnail")
        assert middle.content == (await client.get(url(CINE) + "/frames/15/thumbnail")).content
        assert middle.content != (await client.get(url(CINE) + "/frames/1/thumbnail")).content
        assert (await client.get(url(CINE) + "/frames/31/thumbnail")).status_code == 404


async def test_of_a_series_the_instance_in_the_middle() -> None:
    bench, memory = Bench(), Memory("ONE")
    dataset = pydicom.dcmread(CT)
    instances = {}
    for number in (10, 2, 30, 4, 100):  # by number: 2 4 10 30 100
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        dataset.PixelData = bytes([number]) * len(dataset.PixelData)
        dataset.WindowCenter, dataset.WindowWidth = 0, 60000
        buffer = pydicom.filebase.DicomBytesIO()
        dataset.save_as(buffer)
        await keep(memory, buffer.getvalue())
        instances[number] = url(CT).rpartition("/")[0] + f"/1.2.{number}"
    all_of = {"finds": memory, "retrieves": memory, "describes": memory, "lends": memory}
    async with showing([], bench, **all_of) as client:
        series = url(CT).partition("/instances")[0]
        middle = await client.get(series + "/thumbnail")
        assert middle.content == (await client.get(instances[10] + "/thumbnail")).content
        assert middle.content != (await client.get(instances[2] + "/thumbnail")).content
        assert bench.done == 2


async def test_where_a_report_is_in_the_middle_another_instance() -> None:
    memory = Memory("ONE")
    await keep(memory, CT.read_bytes())
    report = pydicom.dcmread(sample("test-SR.dcm"))
    image = pydicom.dcmread(CT, stop_before_pixels=True)
    report.StudyInstanceUID, report.Modality = image.StudyInstanceUID, "CT"
    report.SeriesInstanceUID = image.SeriesInstanceUID
    for number in (0, image.InstanceNumber + 1):  # before and behind it
        report.InstanceNumber = number
        report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        buffer = pydicom.filebase.DicomBytesIO()
        report.save_as(buffer)
        await keep(memory, buffer.getvalue())
        all_of = {"finds": memory, "retrieves": memory, "describes": memory, "lends": memory}
        async with showing([], **all_of) as client:
            series = url(CT).partition("/instances")[0]
            for path in (series, series.partition("/series")[0]):
                assert opened(await client.get(path + "/thumbnail")).size == (128, 128)


async def test_its_only_parameter_is_the_viewport() -> None:
    async with showing([CT]) as client:
        path = url(CT) + "/thumbnail"
        assert opened(await client.get(path + "?viewport=64,32")).size == (32, 32)
        for query in ("window=1,2,LINEAR", "quality=50", "viewport=1", "viewport=a,b", "size=7"):
            answer = await client.get(f"{path}?{query}")
            assert answer.status_code == 400
            assert query.partition("=")[0] in answer.json()["error"]
        assert (await client.get(path, headers={"Accept": "image/png"})).status_code == 406


async def test_a_browser_may_keep_it() -> None:
    bench = Bench()
    async with showing([CT], bench) as client:
        answer: httpx.Response = await client.get(url(CT) + "/thumbnail")
        assert "max-age" in answer.headers["cache-control"]
        known = {"If-None-Match": f'W/{answer.headers["etag"]}, "x"'}
        assert (await client.get(url(CT) + "/thumbnail", headers=known)).status_code == 304
        assert bench.done == 1
