"""The rows that FHIR has."""

from typing import Any

import httpx

from hilum.cli.walk.row import Failed, Row, Walk, counted


async def _metadata(walk: Walk) -> str:
    said = await _asked(walk, "metadata")
    types = [each["type"] for rest in said["rest"] for each in rest["resource"]]
    if "ImagingStudy" not in types:
        raise Failed(f"there are no studies among {', '.join(types)[:80]}")
    return f"FHIR {said['fhirVersion']}: {', '.join(types)}"


async def _study(walk: Walk) -> str:
    wanted = f"urn:dicom:uid|urn:oid:{walk.stored.uid}"
    found = await _found(walk, "ImagingStudy", {"identifier": wanted})
    if [each["id"] for each in found] != [walk.stored.uid]:
        raise Failed(f"{counted(len(found), 'study')}, expected the one that was stored")
    return f"1 study, {found[0].get('started', '')[:10]}"


async def _whole_study(walk: Walk) -> str:
    said = await _asked(walk, f"ImagingStudy/{walk.stored.uid}")
    series = said.get("series", [])
    uids = {each["uid"] for one in series for each in one.get("instance", [])}
    if uids != {each.sop_instance_uid for each in walk.stored.slices}:
        raise Failed(f"{counted(len(uids), 'instance')}, others than were stored")
    return f"{counted(len(series), 'series')}, {counted(len(uids), 'instance')}"


async def _patient(walk: Walk) -> str:
    found = await _found(walk, "Patient", {"identifier": walk.stored.patient_id})
    if len(found) != 1:
        raise Failed(f"{counted(len(found), 'patient')}, expected 1 patient")
    return "1 patient"


async def _endpoints(walk: Walk) -> str:
    found = await _found(walk, "Endpoint", {})
    if not found:
        raise Failed("no endpoint")
    return f"{counted(len(found), 'endpoint')}: {', '.join(each['id'] for each in found)}"


async def _found(walk: Walk, kind: str, asked: dict[str, str]) -> list[dict[str, Any]]:
    said = await _asked(walk, kind, asked)
    return [each["resource"] for each in said.get("entry", ()) if each["search"]["mode"] == "match"]


async def _asked(walk: Walk, path: str, asked: dict[str, str] | None = None) -> dict[str, Any]:
    root = "" if walk.root == "/dicomweb" else walk.root
    accept = {"Accept": "application/fhir+json"}
    answer = await walk.client.get(f"{root}/fhir/{path}", params=asked, headers=accept)
    if answer.status_code != httpx.codes.OK:
        raise Failed(f"{answer.status_code}: {answer.text[:200]}")
    said: dict[str, Any] = answer.json()
    return said


SERVICE = (
    Row("FHIR metadata", "http", _metadata),
    Row("FHIR Endpoint", "http", _endpoints),
)
SEARCH = (
    Row("FHIR ImagingStudy?identifier", "http", _study),
    Row("FHIR ImagingStudy/{id}", "http", _whole_study),
    Row("FHIR Patient?identifier", "http", _patient),
)
