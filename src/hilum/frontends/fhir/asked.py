"""What does a FHIR request address, and how does its client take the answer? As JSON only."""

from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.fhir import endpoint
from hilum.codec.fhir.values import Element, Systems
from hilum.codec.media_type import JSON
from hilum.core.mounts import Mount
from hilum.frontends.dicomweb import asked as dicomweb
from hilum.frontends.dicomweb import entity_tag
from hilum.frontends.dicomweb.asked import Asked, accepts, one_of
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.fhir.errors import FHIR_JSON
from hilum.frontends.fhir.service import Fhir
from hilum.model.errors import NotAcceptable, NotOffered

VERSION = "4.0"  # as `fhirVersion` says it; R4 is 4.0.1
_FORMATS = {"json": FHIR_JSON, JSON: JSON, "text/json": JSON, FHIR_JSON: FHIR_JSON}


@dataclass(frozen=True, slots=True)
class About:
    """One request below FHIR's root of a mount.

    Attributes:
        asked: who asks, and of which mount.
        mount: what is behind it.
        root: FHIR's, as the client sees it, without a slash at its end.
        kind: media type of the answer.
        is_pretty: it is for people.
    """

    asked: Asked
    mount: Mount
    fhir: Fhir
    root: str
    kind: str
    is_pretty: bool

    @property
    def systems(self) -> Systems:
        """What identifiers and times of the mount mean."""
        return self.fhir.systems.get(self.mount.name, _NO_SYSTEMS)

    @property
    def is_live(self) -> bool:
        """Whether a system elsewhere answers, which keeps no order."""
        return self.mount.asks is not None

    @property
    def is_subscribed(self) -> bool:
        """Whether changes of the mount can be subscribed to."""
        return self.fhir.subscriptions is not None and self.mount.name in self.fhir.subscribed

    def endpoints(self) -> list[Element]:
        """The Endpoints of the mount."""
        offered = {
            endpoint.WADO: self.mount.retrieves,
            endpoint.QIDO: self.mount.finds,
            endpoint.STOW: self.mount.stores,
        }
        services = [name for name, backend in offered.items() if backend is not None]
        return endpoint.endpoints(services, self.asked.root, self.mount.name)

    def written(self, resource: Element) -> bytes:
        """A resource as the client takes it."""
        return orjson.dumps(resource, option=orjson.OPT_INDENT_2 if self.is_pretty else None)


_NO_SYSTEMS = Systems()


def about(request: Request) -> About:
    """Read what the path and the headers say.

    Raises:
        UnknownMount: there is none of that name.
        NotOffered: FHIR is not served here.
        NotAcceptable: the client takes no JSON.
    """
    asked = dicomweb.asked(request)
    fhir: Fhir | None = request.app.state.fhir
    if fhir is None:
        raise NotOffered("FHIR is not served here")
    has_name = "aet" in request.path_params
    above = asked.root if has_name else service_root(request, asked.settings)
    return About(
        asked=asked,
        mount=asked.broker.mounts[asked.mount],
        fhir=fhir,
        root=above + "/fhir",
        kind=_kind(request),
        is_pretty=request.query_params.get("_pretty") == "true",
    )


def _kind(request: Request) -> str:
    """The media type of the answer: `_format` goes before Accept.

    Raises:
        NotAcceptable: it is none that there is, or another version of FHIR.
    """
    said = request.query_params.get("_format")
    if said is not None:
        kind, *parameters = (each.strip() for each in said.replace(" ", "+").lower().split(";"))
        if kind not in _FORMATS or _is_other(parameters):
            raise NotAcceptable("FHIR is given as JSON only, and in version R4")
        return _FORMATS[kind]
    ranges = accepts(request)
    if all(each.parameters.get("fhirversion", VERSION) != VERSION for each in ranges):
        raise NotAcceptable("FHIR is given in version R4 (4.0) only")
    return one_of(request, (FHIR_JSON, JSON))


def _is_other(parameters: list[str]) -> bool:
    versions = [each.partition("=")[2] for each in parameters if each.startswith("fhirversion=")]
    return any(each != VERSION for each in versions)


def given(request: Request, about: About, resource: Element) -> Response:
    """A resource that is read: 200, or 304 where the client has it already."""
    body = about.written(resource)
    headers = {"ETag": entity_tag.weak(body), "Vary": "Accept"}
    if entity_tag.is_known(request, headers["ETag"]):
        return entity_tag.unchanged(headers)
    return Response(body, headers=headers, media_type=about.kind)
