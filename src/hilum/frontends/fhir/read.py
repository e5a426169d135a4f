"""How is one resource read? `GET …/{type}/{id}`."""

from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.fhir.imaging_study import STUDY_UID
from hilum.codec.fhir.parameters import Offers, Search, parse
from hilum.codec.fhir.patient import PATIENT_ID
from hilum.codec.fhir.values import Element
from hilum.core.fhir.patients import PatientKey
from hilum.core.fhir.table import Keys, Row
from hilum.frontends.fhir.asked import About, about, given
from hilum.frontends.fhir.finding import Finding
from hilum.frontends.fhir.given import Resources, shown
from hilum.frontends.fhir.kinds import PATIENTS, STUDIES
from hilum.model.errors import NotFound
from hilum.model.identity import is_uid

_NOTHING = "there is no such resource"


async def imaging_study(request: Request) -> Response:
    """A study, with its series and, where they are not too many, its instances.

    Raises:
        NotFound: there is none.
    """
    asked, said, uid = about(request), _said(request), request.path_params["id"]
    if not is_uid(uid):
        raise NotFound(_NOTHING)
    found = await _rows(Finding(asked, STUDIES, [{(STUDY_UID,): uid}], [], strict=False))
    one = next((row for row in found if row.resource["id"] == uid), None)
    if one is None:
        raise NotFound(_NOTHING)
    whole = await Resources(asked).study(one, every_instance=said.summary == "false")
    return given(request, asked, shown(whole, said))


async def patient(request: Request) -> Response:
    """A patient.

    Raises:
        NotFound: there is none.
    """
    asked, said, name = about(request), _said(request), request.path_params["id"]
    known = await asked.fhir.patients.patients(asked.mount.name, [name])
    if name not in known:
        raise NotFound(_NOTHING)
    row = await _of(asked, known[name])
    made: Element = {"resourceType": "Patient", "id": name, **row.patient}
    return given(request, asked, shown(made, said))


async def _of(asked: About, key: PatientKey) -> Row:
    """The answer about a patient.

    Raises:
        NotFound: there is none.
    """
    if key.patient_id:
        keys: Keys = {(PATIENT_ID,): key.patient_id.replace("\\", "?")}
        found = await _rows(Finding(asked, PATIENTS, [keys], [], strict=False))
        found = [row for row in found if row.key and row.key.patient_id == key.patient_id]
    else:
        found = await _rows(Finding(asked, STUDIES, [{(STUDY_UID,): key.study}], [], strict=False))
    exact = [row for row in found if row.key == key]
    # A system elsewhere may tell the issuer at one level and not at the other.
    if not exact and asked.is_live and len(found) == 1:
        exact = found
    if not exact:
        raise NotFound(_NOTHING)
    return exact[0]


async def endpoint(request: Request) -> Response:
    """One of the mount's DICOMweb services.

    Raises:
        NotFound: there is none.
    """
    asked, said = about(request), _said(request)
    for each in asked.endpoints():
        if each["id"] == request.path_params["id"]:
            return given(request, asked, shown(each, said))
    raise NotFound(_NOTHING)


async def _rows(finding: Finding) -> list[Row]:
    async with aclosing(finding.rows()) as rows:
        return [row async for row in rows if row is not None]


def _said(request: Request) -> Search:
    """What is said of the answer: `_elements` and `_summary`."""
    pairs = [
        each for each in request.query_params.multi_items() if each[0] in {"_elements", "_summary"}
    ]
    return parse(pairs, _NONE, strict=True)


_NONE = Offers("", {})
