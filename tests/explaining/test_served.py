"""What explain knows is what the doors serve, and what the description says of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.explaining.told import settings

from hilum.config.schema import Settings
from hilum.explaining.request import of_line
from hilum.explaining.served import ADMIN, EVERYBODY, HTTP, METHODS, NEEDS, OURS
from hilum.frontends.admin import resources as admin
from hilum.frontends.dicomweb import resources as dicomweb
from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import ANY
from hilum.frontends.fhir.resources import OF_FHIR, ROOTS
from hilum.model.errors import BadRequest

DESCRIPTION = Path(__file__).parents[2] / "doc" / "openapi.yaml"
NAMED = {
    "study": "1.2",
    "series": "1.3",
    "instance": "1.4",
    "frames": "1",
    "job": "7",
    "transaction": "1.9",
    "id": "1.2",
    "file": "style.css",
    "aet": "ARCHIVE",
    "path:path": "00880200/0/7FE00010",
    "path": "00880200/0/7FE00010",
}
SERVED = [
    *((HTTP, mount, each, ANY) for mount in dicomweb.MOUNTS for each in dicomweb.OF_A_MOUNT),
    *((HTTP, "", each, EVERYBODY) for each in dicomweb.OF_THE_SERVICE),
    *((HTTP, root, each, ANY) for root in ROOTS for each in OF_FHIR),
    *((ADMIN, "", each, None) for each in admin.RESOURCES),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(tmp_path_factory.mktemp("served"))


def written(path: str, method: str) -> str:
    """The request line, with everything that such a request names."""
    for name, value in NAMED.items():
        path = path.replace(f"{{{name}}}", value)
    is_send = "send-requests" in path and method == "POST"
    return f"{path}?destination=PACS&PatientID=7" if is_send else path


@pytest.mark.parametrize(
    ("door", "root", "resource", "options"),
    SERVED,
    ids=[f"{door}:{root}{each.path}" for door, root, each, _ in SERVED],
)
def test_every_resource_is_known_with_its_methods_and_rights(
    found: Settings, door: str, root: str, resource: Resource, options: frozenset[Any] | None
) -> None:
    base = "http://h:8081" if door == ADMIN else "/hilum"
    needs = {**resource.needs, **({} if options is None else {"OPTIONS": options})}
    if "GET" in needs:
        needs["HEAD"] = needs["GET"]
    for method in METHODS:
        line = f"{method} {base}{written(root + resource.path, method)}"
        if method in needs:
            request = of_line(line, found)
            assert (request.door, request.needs) == (door, needs[method]), line
        else:
            with pytest.raises(BadRequest, match="not allowed"):
                of_line(line, found)


def test_every_route_of_the_description_is_known(found: Settings) -> None:
    described = yaml.safe_load(DESCRIPTION.read_text())
    count = 0
    for path, said in described["paths"].items():
        roots = [each["url"].strip("./") for each in said.get("servers", described["servers"])]
        for method in set(said) & {each.lower() for each in METHODS}:
            for root in roots:
                count += 1
                below = f"/{root}{path}" if root else path
                line = f"{method.upper()} /hilum{written(below, method.upper())}"
                assert of_line(line, found).operation in NEEDS, line
    assert count > 200


def test_what_is_no_mounts_business_is_said_in_words() -> None:
    far = {"find", "retrieve", "lend", "describe", "bulk", "store", "delete", "send"}
    assert set(NEEDS) == set(OURS) | far | {"search", "read"}
