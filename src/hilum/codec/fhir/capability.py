"""What can this service do, in FHIR's words? The CapabilityStatement."""

from collections.abc import Iterable
from typing import Final

from hilum.codec.fhir.parameters import Offers
from hilum.codec.fhir.values import Element

VERSION: Final = "4.0.1"
_DEFINITIONS: Final = "http://hl7.org/fhir/SearchParameter/"
_RESOURCES: Final = "http://hl7.org/fhir/StructureDefinition/"
_COMMON: Final = {"_id": "Resource-id", "_lastUpdated": "Resource-lastUpdated"}
_READ: Final = ("read", "search-type")
_WRITTEN: Final = ("create", "update", "delete")
_SHARED: Final = {  # those of several types have names of their own
    ("Patient", "birthdate"): "individual-birthdate",
    ("Patient", "family"): "individual-family",
    ("Patient", "gender"): "individual-gender",
    ("Patient", "given"): "individual-given",
    ("ImagingStudy", "identifier"): "clinical-identifier",
    ("ImagingStudy", "patient"): "clinical-patient",
}


def statement(  # noqa: PLR0913 - each is said in another place
    types: Iterable[Offers],
    *,
    url: str,
    name: str,
    software: str,
    date: str,
    with_login: bool,
) -> Element:
    """The CapabilityStatement of one mount.

    Args:
        types: what can be asked.
        url: FHIR's root.
        name: of the mount.
        software: version of the program.
        date: when that was made.
        with_login: whether a token must be shown.
    """
    security = {"description": "A bearer token (RFC 6750), or a client certificate, is needed."}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Hilum", "version": software},
        "implementation": {"description": f"What is behind {name}, in FHIR", "url": url},
        "fhirVersion": VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                **({"security": security} if with_login else {}),
                "resource": [_resource(each) for each in types],
            }
        ],
    }


def _resource(offers: Offers) -> Element:
    made: Element = {
        "type": offers.type,
        "profile": _RESOURCES + offers.type,
        "interaction": [
            {"code": each} for each in (*_READ, *(_WRITTEN if offers.is_written else ()))
        ],
        "versioning": "versioned-update" if offers.is_written else "no-version",
        "conditionalRead": "not-match",
    }
    if offers.include:
        made["searchInclude"] = sorted(offers.include)
    if offers.revinclude:
        made["searchRevInclude"] = sorted(offers.revinclude)
    made["searchParam"] = [
        {
            "name": name,
            "definition": _DEFINITIONS + _definition(offers.type, name),
            "type": offer.kind.value,
        }
        for name, offer in sorted(offers.parameters.items())
    ]
    return made


def _definition(kind: str, name: str) -> str:
    if name in _COMMON:
        return _COMMON[name]
    return _SHARED.get((kind, name), f"{kind}-{name}")
