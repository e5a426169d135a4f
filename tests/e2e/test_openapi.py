"""The running service keeps what its own OpenAPI document promises; schemathesis asks it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests import peers, samples

from hilum.codec.multipart import closing, part_head

SOURCE: Final = Path(__file__).parents[2] / "doc" / "openapi.yaml"
METHODS: Final = frozenset({"get", "post", "put", "delete", "options", "head", "patch"})
EXAMPLES: Final = 8
"""Cases for each operation, a half of them against the grain."""
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
URI: Final = {"studyUID": "study", "seriesUID": "series", "objectUID": "instance"}
"""Parameters of WADO-URI by those of paths."""
Document = dict[str, Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::Warning:schemathesis"),
]


def encoded(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def in_parts(value: object) -> bytes:
    parts = value if isinstance(value, list) else [value]
    heads = [part_head("b", {}, first=not number) for number in range(len(parts))]
    joined = (head + encoded(part) for head, part in zip(heads, parts, strict=True))
    return b"".join(joined) + closing("b")


schemathesis.serializer("application/dicom", "application/dicom+xml")(
    lambda _context, value: encoded(value)
)
schemathesis.serializer("multipart/related")(lambda _context, value: in_parts(value))


def unfolded(document: Document) -> Document:
    """The same document with each path as it is on the wire, and no servers."""
    paths: Document = {}
    for path, item in document["paths"].items():
        for server in item.get("servers", document["servers"]):
            url = server["url"].removeprefix(".").rstrip("/") + path
            own = {key: value for key, value in item.items() if key != "servers"}
            if "{aet}" in url and "{aet}" not in path:
                aet = {"name": "aet", "in": "path", "required": True, "schema": {"type": "string"}}
                own["parameters"] = [*item.get("parameters", ()), aet]
            paths[url] = own
    rest = {key: value for key, value in document.items() if key != "servers"}
    # A copy, as YAML's anchors make one object of what stands in many places.
    return json.loads(json.dumps({**rest, "paths": paths}))  # type: ignore[no-any-return] # JSON


DOCUMENT: Final = unfolded(yaml.safe_load(SOURCE.read_text("utf-8")))
OPERATIONS: Final = [
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method in sorted(METHODS & item.keys())
    if not path.startswith("/fhir/")  # the same as below a mount
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker with the samples, and a mount in which anything may be done."""
    relaxed = 'durability = "relaxed"\n'
    more = f"[mounts.SCRATCH]\ndelete = true\n{relaxed}"
    config = peers.configuration(archive=relaxed, more=more)
    with peers.hilum(tmp_path_factory.mktemp("openapi"), config) as running:
        content = in_parts([path.read_bytes() for path in samples.GOOD])
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        url = f"{running.dicomweb}/studies"
        httpx.post(url, content=content, headers={"Content-Type": kind}, timeout=60)
        yield running


@pytest.fixture(scope="module")
def schema(broker: peers.Hilum) -> BaseSchema:
    """What the service itself gives."""
    given = httpx.get(f"{broker.root}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(unfolded(given))
    schema.config.update(base_url=broker.root)
    return schema


@pytest.fixture(scope="module")
def known(broker: peers.Hilum) -> list[dict[str, str]]:
    """Values of parameters that lead to something that is there."""
    url = f"{broker.dicomweb}/instances?limit=1000"
    return [
        {
            "aet": "ARCHIVE",
            "study": each["0020000D"]["Value"][0],
            "series": each["0020000E"]["Value"][0],
            "instance": each["00080018"]["Value"][0],
            "frames": "1",
            "path": "7FE00010",
            "file": "page.js",
            "transaction": "2.25.1",
        }
        for each in httpx.get(url).json()
    ]


def test_what_is_served_is_what_is_written(broker: peers.Hilum) -> None:
    given = httpx.get(f"{broker.root}/openapi.yaml")
    assert given.headers["content-type"] == "application/yaml"
    assert given.content == SOURCE.read_bytes()
    as_json = httpx.get(f"{broker.root}/openapi.json").json()
    assert as_json == json.loads(json.dumps(yaml.safe_load(given.content)))


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)
def test_every_answer_is_one_that_is_documented(
    schema: BaseSchema, known: Sequence[dict[str, str]], method: str, path: str
) -> None:
    operation = schema[path][method]
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, data=st.data())
    def asked(case: Case, data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            there = data.draw(st.sampled_from(known))
            case.query.pop("accept", None)
            case.query |= {each: there[name] for each, name in URI.items() if each in case.query}
            for name in case.path_parameters or ():
                case.path_parameters[name] = there.get(name, case.path_parameters[name])
            if method in {"POST", "DELETE"} and "aet" in (case.path_parameters or ()):
                case.path_parameters["aet"] = "SCRATCH"
        if "objectUID" in case.query and data.draw(st.booleans()):
            there = data.draw(st.sampled_from(known))
            names = {"studyUID": "study", "seriesUID": "series", "objectUID": "instance"}
            case.query.update({name: there[each] for name, each in names.items()})
            for name in data.draw(st.sets(st.sampled_from(sorted(case.query.keys() - names)))):
                del case.query[name]
            case.query["requestType"] = "WADO"
        if case.media_type == "multipart/related":
            kind = data.draw(st.sampled_from(["", "+json", "+xml"]))
            case.headers["Content-Type"] = (
                f'multipart/related; type="application/dicom{kind}"; boundary=b'
            )
        response = case.call(timeout=30)
        case.validate_response(response, checks=CHECKS)

    asked()
