import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mounts
from hilum.frontends.dicomweb.app import application

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "doc" / "openapi.yaml").read_text("utf-8")
)
METHODS = {"get", "post", "put", "delete", "options", "head", "patch"}


def documented() -> Iterator[tuple[str, str]]:
    for path, item in DOCUMENT["paths"].items():
        for server in item.get("servers", DOCUMENT["servers"]):
            url = server["url"].removeprefix(".").rstrip("/") + path
            for method in METHODS & item.keys():
                yield method.upper(), url


def served() -> Iterator[tuple[str, str]]:
    for route in application(Broker(Mounts({}, None)), HttpSettings()).routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            yield method, re.sub(r":path}", "}", route.path)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_route_is_documented_and_the_other_way_round() -> None:
    assert sorted(documented()) == sorted(served())


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_every_reference_leads_somewhere(reference: str) -> None:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    assert node


def keys(node: object) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        yield from node.items()
        for value in node.values():
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


def test_no_text_is_cut_at_a_comma() -> None:
    assert [name for name, value in keys(DOCUMENT) if value is None] == []


def test_every_operation_says_what_it_is() -> None:
    for path, item in DOCUMENT["paths"].items():
        names = {
            each.get("name") or each["$ref"].rpartition("/")[2]
            for each in item.get("parameters", ())
        }
        assert names == set(re.findall(r"{(\w+)}", path)), path
        for method in (METHODS - {"options"}) & item.keys():
            assert item[method]["summary"]
            assert item[method]["responses"]


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice, of which the first would be forgotten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the library's
        names = [each.value for each, _ in node.value if each.tag != "tag:yaml.org,2002:merge"]
        assert len(names) == len({*map(str, names)}), names
        return super().construct_mapping(node, deep)


def test_no_key_stands_twice() -> None:
    text = (Path(__file__).parents[3] / "doc" / "openapi.yaml").read_text("utf-8")
    assert yaml.load(text, _Once) == DOCUMENT  # noqa: S506 - a safe one
