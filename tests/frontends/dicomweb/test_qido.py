import asyncio

import httpx
import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served, cut_off, xml_parts

from hilum.frontends.dicomweb import qido
from hilum.frontends.dicomweb.qido import LOOKAHEAD
from hilum.model.errors import BackendTimeout, BadQuery
from hilum.model.identity import Level

pytestmark = pytest.mark.anyio

REMAINING = '299 {root}: "There are additional results that can be requested"'


def numbered(count: int, padding: int = 0) -> list[dict[str, object]]:
    text = "x" * padding  # one for all: a thousand of them would not fit into memory
    return [
        {
            "00200010": {"vr": "SH", "Value": [str(number)]},
            "00204000": {"vr": "LT", "Value": [text]},
        }
        for number in range(count)
    ]


def numbers(answer: httpx.Response) -> list[int]:
    return [int(each["00200010"]["Value"][0]) for each in answer.json()]


@pytest.mark.parametrize(
    ("path", "level", "within"),
    [
        ("/studies", Level.STUDY, {}),
        ("/series", Level.SERIES, {}),
        ("/instances", Level.IMAGE, {}),
        ("/studies/1.2/series", Level.SERIES, {(0x0020_000D,): "1.2"}),
        ("/studies/1.2/instances", Level.IMAGE, {(0x0020_000D,): "1.2"}),
        (
            "/studies/1.2/series/1.3/instances",
            Level.IMAGE,
            {(0x0020_000D,): "1.2", (0x0020_000E,): "1.3"},
        ),
    ],
)
async def test_the_six_resources(
    served: Served, backend: Scripted, path: str, level: Level, within: dict[tuple[int], str]
) -> None:
    backend.matches = numbered(2)
    async with served(backend) as client:
        for root in ("/aets/ONE", "/dicomweb"):
            answer = await client.get(root + path + "?PatientID=17")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/dicom+json"
            assert numbers(answer) == [0, 1]
            url = str(client.base_url).rstrip("/") + root
            assert answer.json()[0]["00081190"]["Value"] == [url]
    query = backend.queries[0]
    assert query.level is level
    assert query.match == {(0x0010_0020,): "17", **within}


@pytest.mark.parametrize("key", ["StudyDate=2024", "StudyTime=25h", "00080020=x-", "0008002A=now"])
async def test_what_is_no_day_or_time_is_refused_before_a_peer_is_asked(
    served: Served, backend: Scripted, key: str
) -> None:
    async with served(backend) as client:
        answer = await client.get(f"/dicomweb/studies?{key}")
        assert answer.status_code == 400
        assert (await client.get("/dicomweb/studies?StudyDate=*")).status_code == 200
    assert len(backend.queries) == 1


async def test_no_match_is_an_empty_array(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies")
        assert (answer.status_code, answer.content) == (200, b"[]")
        assert "warning" not in answer.headers


@pytest.mark.parametrize("padding", [0, LOOKAHEAD // 50])
async def test_pages_and_what_remains(served: Served, backend: Scripted, padding: int) -> None:
    backend.matches = numbered(100, padding)
    async with served(backend, query_limit=60) as client:
        seen: list[int] = []
        for offset in (0, 60):
            answer = await client.get(f"/dicomweb/studies?offset={offset}")
            seen += numbers(answer)
            root = str(client.base_url).rstrip("/") + "/dicomweb"
            expected = REMAINING.format(root=root) if offset == 0 else None
            assert answer.headers.get("warning") == expected
        assert seen == list(range(100))
        answer = await client.get("/dicomweb/studies?limit=100")
        assert numbers(answer) == seen
        assert "warning" not in answer.headers
        answer = await client.get("/dicomweb/studies?limit=99")
        assert numbers(answer) == seen[:-1]
        assert "additional results" in answer.headers["warning"]


async def test_a_limit_of_nothing(served: Served, backend: Scripted) -> None:
    backend.matches = numbered(1)
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies?limit=0")
        assert answer.json() == []
        assert "additional results" in answer.headers["warning"]


async def test_what_cannot_be_honoured_is_a_warning(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await client.get(
            "/dicomweb/studies?fuzzymatching=true&emptyvaluematching=true&includefield=Nonsense"
        )
        warnings = answer.headers.get_list("warning")
        assert len(warnings) == 2
        assert warnings[0].startswith("299 http://127.0.0.1:")
        assert '/dicomweb: "The emptyvaluematching parameter is not' in warnings[0]
        assert backend.queries[0].fuzzy


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            "PatientNme=X",
            "PatientNme is neither a parameter nor an attribute; did you mean PatientName?",
        ),
        ("limit=-1", "limit is not a whole number from 0 up"),
        ("StudyInstanceUID=x", "StudyInstanceUID has a value that is no UID"),
    ],
)
async def test_a_bad_query_is_refused(
    served: Served, backend: Scripted, query: str, text: str
) -> None:
    async with served(backend) as client:
        answer = await client.get(f"/dicomweb/studies?{query}")
        assert (answer.status_code, answer.json()) == (400, {"error": text})
        assert backend.queries == []


async def test_a_bad_uid_in_the_path_is_refused(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies/abc/series")
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": "the study in the path is no UID"},
        )


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/dicom+json", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/json;q=0.5, application/dicom+json", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/*", "application/dicom+json"),
        ("text/html, */*;q=0.1", "application/dicom+json"),
        ("rubbish", "application/dicom+json"),
        ("", "application/dicom+json"),
        ("application/dicom+xml", None),
        ("text/html", None),
    ],
)
async def test_accept(served: Served, backend: Scripted, accept: str, kind: str | None) -> None:
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies", headers={"Accept": accept})
        if kind is None:
            assert answer.status_code == 406
            assert "application/dicom+json" in answer.json()["error"]
        else:
            assert answer.headers["content-type"] == kind


async def test_as_xml_each_match_is_a_part(served: Served, backend: Scripted) -> None:
    url = "/dicomweb/studies"
    headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    async with served(backend) as client:
        answer = await client.get(url, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-length" not in answer.headers
        backend.matches = [{"00100020": {"vr": "LO", "Value": [str(n)]}} for n in range(3)]
        answer = await client.get(url, headers=headers)
        assert [each["00100020"]["Value"] for each in xml_parts(answer)] == [["0"], ["1"], ["2"]]
        retrieve = xml_parts(answer)[0]["00081190"]["Value"]
        assert retrieve == [f"{client.base_url}/dicomweb"]


async def test_as_xml_a_long_page_is_not_held_back(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qido, "LOOKAHEAD", 10)
    backend.matches = [{"00100020": {"vr": "LO", "Value": [str(n)]}} for n in range(3)]
    headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies", headers=headers)
        assert len(xml_parts(answer)) == 3


async def test_a_match_that_is_none_is_said_as_xml(served: Served, backend: Scripted) -> None:
    backend.matches = [{"00100020": 1}]
    headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies", headers=headers)
        assert answer.status_code == 502


async def test_the_accept_parameter_goes_first(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        url = "/dicomweb/studies?accept=application/dicom+json"
        answer = await client.get(url, headers={"Accept": "application/json"})
        assert answer.headers["content-type"] == "application/dicom+json"


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadQuery("no such key"), 400), (BackendTimeout("slow"), 504), (KeyError("secret"), 500)],
)
@pytest.mark.parametrize("late", [False, True])
async def test_a_failure_before_the_first_byte_chooses_the_status(
    served: Served, backend: Scripted, error: Exception, status: int, *, late: bool
) -> None:
    backend.matches = numbered(3)
    if late:
        backend.late = error
    else:
        backend.error = error
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies")
        assert answer.status_code == status
        assert "secret" not in answer.text


async def test_a_failure_within_a_big_answer_cuts_it_off(served: Served, backend: Scripted) -> None:
    backend.matches = numbered(4, LOOKAHEAD // 2)
    backend.late = BackendTimeout("slow")
    async with served(backend) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/dicomweb/studies?limit=4")


@pytest.mark.parametrize("padding", [0, LOOKAHEAD])
async def test_a_client_that_leaves_ends_the_query(
    served: Served, backend: Scripted, padding: int
) -> None:
    backend.matches = numbered(1000, padding)
    backend.pause = 0.02
    async with served(backend) as client:
        await cut_off(client, "/dicomweb/studies?limit=1000", after=padding)
        async with asyncio.timeout(20):
            await backend.left.wait()
        given = backend.given
        await asyncio.sleep(0.1)
        assert backend.given == given < 900


async def test_head_is_get_without_the_body(served: Served, backend: Scripted) -> None:
    backend.matches = numbered(3)
    async with served(backend) as client:
        answer = await client.head("/dicomweb/studies")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("padding", [0, LOOKAHEAD])
async def test_what_the_far_side_did_not_match_is_told_of(
    served: Served, backend: Scripted, padding: int
) -> None:
    backend.matches = numbered(3, padding)
    backend.warnings = ["The far side did not say StudyDescription: it may not have been matched."]
    async with served(backend) as client:
        answer = await client.get("/aets/ONE/studies?StudyDescription=CHEST")
        root = f"{client.base_url}".rstrip("/") + "/aets/ONE"
    assert len(answer.json()) == 3
    assert answer.headers.get_list("warning") == [f'299 {root}: "{backend.warnings[0]}"']
