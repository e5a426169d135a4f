import pytest
from tests.backends.dicomweb.served import said
from tests.backends.fhir.served import PATIENT, bundle, by_path, endpoint, over, study

from hilum.model.errors import BackendFault
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY = Ref(study="1.1")


async def test_the_server_is_believed_for_a_while() -> None:
    answers = {"/metadata": said(200, b"[]")}
    async with over(by_path(answers)) as (index, liar):
        answers["/ImagingStudy"] = bundle([study("1.1")], [PATIENT, endpoint(liar.url)])
        for _ in range(3):
            async with index.describe(STUDY, "http://us") as objects:
                assert [each async for each in objects] == []
        assert sum("ImagingStudy" in each for each in liar.targets) == 1
        assert "identifier=urn:dicom:uid|urn:oid:1.1&" in liar.targets[0]


async def test_an_endpoint_may_come_by_itself_or_be_contained() -> None:
    contained = study("1.1", at="")
    answers = {"/metadata": said(200, b"[]")}
    async with over(by_path(answers)) as (index, liar):
        contained["contained"] = [endpoint(liar.url)]
        contained["series"] = [{"uid": "1.1.1", "endpoint": [{"reference": "#wado"}]}]
        alone = study("1.2", at=[{"reference": f"{liar.url}/Endpoint/alone"}])
        answers["/Endpoint"] = bundle([endpoint(liar.url, "alone")])
        for each in (contained, alone):
            answers["/ImagingStudy"] = bundle([each], [PATIENT])
            async with index.describe(Ref(study=each["id"]), "http://us") as objects:
                assert [each async for each in objects] == []
        assert any("/Endpoint?_id=alone" in each for each in liar.targets)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([], False),
        ([study("1.2")], False),
        ([study("1.1", status="entered-in-error")], False),
        ([study("1.1", at="")], True),
    ],
)
async def test_what_is_nowhere(found: list[dict[str, object]], *, fault: bool) -> None:
    async with over(by_path({"/ImagingStudy": bundle(found, [PATIENT])})) as (index, _liar):
        if fault:
            with pytest.raises(BackendFault, match="no Endpoint"):
                async with index.retrieve([STUDY]):
                    pass
            return
        async with index.retrieve([STUDY]) as retrieval:
            assert retrieval.manifest == []
            assert [each async for each in retrieval.instances] == []
