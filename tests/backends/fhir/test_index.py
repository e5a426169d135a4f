import pytest
from tests.backends.dicomweb.served import by_path, said
from tests.backends.fhir.served import bundle, outcome, over

from hilum.model.errors import BackendUnavailable, CredentialsRefused, HilumError, OutOfResources

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "answers",
    [
        {"/metadata": said(200, b"{}")},
        {"/metadata": outcome(404, "not-found"), "/ImagingStudy": bundle([], total=0)},
        {"/metadata": outcome(405, "not-supported"), "/ImagingStudy": bundle([])},
    ],
)
async def test_it_lives(answers: dict[str, bytes]) -> None:
    async with over(by_path(answers)) as (index, _liar):
        await index.echo()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (outcome(401, "login"), CredentialsRefused),
        (outcome(404, "not-found"), HilumError),
        (outcome(503, "transient"), OutOfResources),
        (said(502), BackendUnavailable),
    ],
)
async def test_it_does_not_live(answer: bytes, error: type[HilumError]) -> None:
    async with over(by_path({}, answer)) as (index, _liar):
        with pytest.raises(error):
            await index.echo()
