import pytest
from tests.backends.dicomweb.served import said
from tests.backends.fhir.served import PATIENT, bundle, by_path, endpoint, over, study

from hilum.model.errors import BackendFault
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY = Ref(study="1.1")
DESCRIBED = said(200, b'[{"00080018": {"vr": "UI", "Value": ["1.1.1"]}}]')


async def described(address: str, *more: dict[str, object], **settings: object) -> list[str]:
    """What is asked below `{own}` in an address, which stands for the server itself."""
    answers: dict[str, bytes] = {"/metadata": DESCRIBED}
    async with over(by_path(answers), **settings) as (index, liar):
        own = liar.url.removesuffix("/web")
        first = endpoint(address.format(own=own))
        rest = [{**each, "address": str(each["address"]).format(own=own)} for each in more]
        names = [{"reference": f"Endpoint/{each['id']}"} for each in (first, *rest)]
        found = study("1.1", at=names)
        answers["/ImagingStudy"] = bundle([found], [PATIENT, first, *rest])
        async with index.describe(STUDY, "http://us") as objects:
            assert [each async for each in objects]
        return [each for each in liar.targets if "ImagingStudy" not in each]


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("{own}/dicom-web", "/dicom-web/studies/1.1/metadata"),
        ("{own}/dicom-web/", "/dicom-web/studies/1.1/metadata"),
        ("{own}", "/studies/1.1/metadata"),
        ("{own}/dicom-web/studies/1.1", "/dicom-web/studies/1.1/metadata"),
        ("{own}/dicom-web/studies", "/dicom-web/studies/1.1/metadata"),
    ],
)
async def test_the_root_is_taken_from_the_address(address: str, asked: str) -> None:
    assert await described(address) == [asked]


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/dicom-web",
        "https://127.0.0.1/dicom-web",
        "http://localhost/dicom-web",
        "{own}@elsewhere/dicom-web",
        "http://anna:secret@127.0.0.1/dicom-web",
        "{own}/dicom-web?x=1",
        "{own}/dicom-web#x",
        "file:///etc/passwd",
        "http://[::1",
        "",
    ],
)
async def test_what_leads_elsewhere_is_not_asked(address: str) -> None:
    with pytest.raises(BackendFault, match="leads to another server"):
        await described(address)


async def test_the_first_that_may_be_asked_and_works_is_taken() -> None:
    off = {**endpoint("{own}/off", "off"), "status": "off"}
    good = endpoint("{own}/good", "good")
    queries = endpoint("{own}/qido", "qido", "dicom-qido-rs")
    asked = await described("https://elsewhere/", off, queries, good)
    assert asked == ["/good/studies/1.1/metadata"]
    assert await described("https://elsewhere/", off, queries) == ["/qido/studies/1.1/metadata"]


async def test_another_host_gets_its_own_credentials() -> None:
    answers = {"/metadata": DESCRIBED}
    async with over(by_path(answers)) as (_index, other):
        host = other.url.removesuffix("/web")
        answers["/ImagingStudy"] = bundle([study("1.1")], [PATIENT, endpoint(f"{host}/dicom")])
        settings = {"bearer": "ours", "endpoints": {"hosts": (host,), "bearer": "theirs"}}
        async with (
            over(by_path(answers), **settings) as (index, liar),
            index.describe(STUDY, "http://us") as objects,
        ):
            assert [each async for each in objects]
    assert [each.headers["authorization"] for each in liar.asked] == ["Bearer ours"]
    assert [each.headers["authorization"] for each in other.asked] == ["Bearer theirs"]
