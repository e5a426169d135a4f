"""What comes to a FHIR server beside a study, and when; see also tests/e2e/test_publish.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from tests.backends.archive.opened import archive, keep
from tests.backends.dicomweb.served import Request, lying, said
from tests.contract.made import made, uid

from hilum.backends.fhir.publish import Publisher, Source, open_publisher
from hilum.codec.fhir.values import Systems
from hilum.config.mounts import Publish
from hilum.core.queue import Errand, Kept
from hilum.core.work import Never
from hilum.state.state import open_state

pytestmark = pytest.mark.anyio


@dataclass
class Far:
    """A FHIR server that knows resources by their identifiers, and refuses what refers to none.

    Attributes:
        kept: the resources by `Patient/1`; asked: method and type of every request.
    """

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        kind = request.path.split("/")[2]
        self.asked.append(f"{request.method} {kind}")
        resource = orjson.loads(request.body)
        query = request.query or request.headers["if-none-exist"]
        system, _, value = parse_qs(query)["identifier"][0].partition("|")
        await asyncio.sleep(0)  # others come in between
        for name, each in self.kept.items():
            for found in each["identifier"] if name.startswith(kind) else ():
                if (found.get("system"), found["value"]) == (system, value):
                    if request.method == "PUT":
                        self.kept[name] = resource
                    writer.write(said(200, b"", "", f"Location: {name}"))
                    return
        if any(each not in self.kept for each in _references(resource)):
            writer.write(said(422))
            return
        name = f"{kind}/{len(self.kept)}"
        self.kept[name] = resource
        writer.write(said(201, b"", "", f"Location: {name}"))

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [each for name, each in self.kept.items() if name.startswith(kind)]


def _references(resource: dict[str, Any]) -> list[str]:
    found = [each["reference"] for each in resource.get("endpoint", ())]
    return [*found, resource["subject"]["reference"]] if "subject" in resource else found


@asynccontextmanager
async def publishing(folder: Path, far: Far, **settings: Any) -> AsyncIterator[Publisher]:
    """From an archive with three studies of one patient."""
    same = {"PatientID": "P"}
    async with (
        archive(folder / "archive") as opened,
        open_state(folder / "state") as state,
        lying(far) as liar,
    ):
        await keep(opened, *[made(study, 1, 1, **same) for study in (1, 2, 3)])
        source = Source(
            mount="HERE",
            finds=opened,
            patients=state.patients,
            systems=Systems(patient="urn:x"),
            address="https://images.example.org/aets/HERE",
            services=("wado-rs",),
            max_instances=10,
        )
        async with open_publisher(source, Publish(url=liar.url, **settings)) as publisher:
            yield publisher


def errand(study: int) -> Kept:
    about = Errand(kind="publish", target="HERE", key=uid(study))
    return Kept(id=1, errand=about, version=1, attempts=1, created=0.0, due=0.0)


async def test_what_several_studies_refer_to_is_brought_once(tmp_path: Path) -> None:
    far = Far()
    async with publishing(tmp_path, far) as publisher:
        assert await asyncio.gather(*map(publisher.do, map(errand, (1, 2, 3)))) == [None] * 3
        assert await publisher.do(errand(1)) is None
    assert sorted(far.asked) == [*["PUT Endpoint"], *["PUT ImagingStudy"] * 4, "PUT Patient"]
    assert {each["subject"]["reference"] for each in far.all("ImagingStudy")} == {
        name for name in far.kept if name.startswith("Patient")
    }


async def test_a_patient_that_somebody_else_keeps_is_left_alone(tmp_path: Path) -> None:
    there = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "P"}]}
    far = Far({"Patient/7": there})
    async with publishing(tmp_path, far, patients="create") as publisher:
        assert await publisher.do(errand(1)) is None
    assert far.all("Patient") == [there]
    assert far.asked[0] == "POST Patient"
    assert far.all("ImagingStudy")[0]["subject"]["reference"] == "Patient/7"


async def test_what_was_removed_there_is_brought_again(tmp_path: Path) -> None:
    far = Far()
    async with publishing(tmp_path, far) as publisher:
        assert await publisher.do(errand(1)) is None
        far.kept.clear()
        assert await publisher.do(errand(2)) is None
    assert len(far.kept) == 3


async def test_what_is_refused_is_given_up(tmp_path: Path) -> None:
    async def refuses(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said(422))

    async with publishing(tmp_path, refuses) as publisher:  # type: ignore[arg-type]
        refused = await publisher.do(errand(1))
    assert refused == Never("the FHIR server of mounts.HERE.publish answered 422")
