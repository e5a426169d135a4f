"""What can this service do? Retrieve Capabilities (PS3.18 §8.9 and Annex H)."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import (
    DICOM,
    DICOM_JSON,
    DICOM_PARTS,
    DICOM_XML,
    JSON,
    OCTETS,
    RELATED,
    WADL,
    ZIP,
)
from hilum.config.schema import HttpSettings
from hilum.frontends.dicomweb import openapi, wado_uri_query
from hilum.frontends.dicomweb.asked import asked, one_of
from hilum.frontends.dicomweb.documents import OF_AN_INSTANCE, ONE, SEVERAL
from hilum.frontends.dicomweb.resources import DELETE, OF_A_MOUNT, OF_THE_SERVICE, Resource
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.later import Handler
from hilum.imaging import document
from hilum.imaging.picture import JPEG, STILL
from hilum.imaging.wish import PARAMETERS

_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_TAKEN = (DICOM_PARTS, DICOM, *(f'{RELATED}; type="{each}"' for each in (DICOM_JSON, DICOM_XML)))
_SEARCH = (
    *("{attribute}", "includefield", "limit", "offset"),
    *("fuzzymatching", "emptyvaluematching", "multiplevaluematching", "accept"),
)
_SEND = ("destination", "{attribute}", "fuzzymatching", "accept")
_RENDERED = (*STILL, RELATED, "video/*", "application/pdf", document.HTML, document.TEXT)
_GIVEN = {  # last part of the path -> parameters, media types
    "studies": (_SEARCH, SEVERAL),
    "series": (_SEARCH, SEVERAL),
    "instances": (_SEARCH, SEVERAL),
    "metadata": (("accept",), OF_AN_INSTANCE),
    "{study}": (("accept",), (DICOM_PARTS, ZIP)),
    "{series}": (("accept",), (DICOM_PARTS, ZIP)),
    "{instance}": (("accept",), (DICOM_PARTS, DICOM, ZIP)),
    "{transaction}": (("accept",), ONE),
    "wado": (wado_uri_query.PARAMETERS, (*_RENDERED, DICOM)),
    "{frames}": (("accept",), (f'{RELATED}; type="{OCTETS}"', OCTETS)),
    "pixeldata": (("accept",), (f'{RELATED}; type="{OCTETS}"', OCTETS)),
    "rendered": (("accept", *PARAMETERS), _RENDERED),
    "thumbnail": (("accept", "viewport"), (JPEG,)),
    "/": ((), (document.HTML, document.TEXT)),
    "openapi.yaml": ((), (openapi.YAML,)),
    "{path}": (("accept",), (OCTETS, f'{RELATED}; type="{OCTETS}"')),
}


async def of_a_mount(request: Request) -> Response:
    """`OPTIONS` of a mount or anything below it."""
    about = asked(request)
    mount = about.broker.mounts[about.mount]
    hidden = DELETE if mount.deletes is None else None
    shown = [_without(resource, hidden) for resource in OF_A_MOUNT]
    return _answer(request, about.root, shown, hidden)


def _without(resource: Resource, hidden: Handler | None) -> Resource:
    methods = {name: each for name, each in resource.methods.items() if each is not hidden}
    return Resource(resource.path, methods, resource.needs)


async def of_the_service(request: Request) -> Response:
    """`OPTIONS` of the service's own resources."""
    settings: HttpSettings = request.app.state.settings
    return _answer(request, service_root(request, settings), OF_THE_SERVICE)


def _answer(
    request: Request, base: str, resources: Iterable[Resource], hidden: Handler | None = None
) -> Response:
    """WADL, which is the default, or JSON, with the methods of the resource in Allow."""
    kind = one_of(request, (WADL, JSON))
    handlers = request.scope["hilum.handlers"]
    headers = {"Allow": ", ".join(sorted(n for n, each in handlers.items() if each is not hidden))}
    described = [*_described(resources)]
    if kind == JSON:
        content = orjson.dumps({"base": base, "resources": described})
    else:
        content = _wadl(base, described)
    return Response(content, headers=headers, media_type=kind)


def _described(resources: Iterable[Resource]) -> Iterator[dict[str, Any]]:
    for resource in resources:
        path = re.sub(r":path}", "}", resource.path)
        methods = [_method(path, name) for name in resource.methods]
        yield {"path": path or "/", "methods": methods}


def _method(path: str, name: str) -> dict[str, Any]:
    """What a method of a resource takes and gives: told by the end of its path."""
    if name == "DELETE":
        return {"name": name, "gives": ()}
    if name == "POST" and path.endswith("/{transaction}"):
        return {"name": name, "parameters": _SEND, "gives": ONE}
    if name == "POST":
        return {"name": name, "takes": _TAKEN, "gives": ONE}
    last = path if path == "/" else path.rpartition("/")[2]
    parameters, gives = _GIVEN.get(last, ((), (JSON,)))
    return {"name": name, "parameters": parameters, "gives": gives}


def _wadl(base: str, described: Iterable[dict[str, Any]]) -> bytes:
    application = ET.Element("application", xmlns=_NAMESPACE)
    resources = ET.SubElement(application, "resources", base=base)
    for each in described:
        resource = ET.SubElement(resources, "resource", path=each["path"].lstrip("/"))
        for method in each["methods"]:
            _wadl_method(resource, method)
    return bytes(ET.tostring(application, encoding="utf-8", xml_declaration=True))


def _wadl_method(resource: ET.Element, method: dict[str, Any]) -> None:
    element = ET.SubElement(resource, "method", name=method["name"])
    request = ET.SubElement(element, "request")
    for name in method.get("parameters", ()):
        ET.SubElement(request, "param", name=name, style="query")
    for kind in method.get("takes", ()):
        ET.SubElement(request, "representation", mediaType=kind)
    response = ET.SubElement(element, "response", status="200")
    for kind in method["gives"]:
        ET.SubElement(response, "representation", mediaType=kind)
