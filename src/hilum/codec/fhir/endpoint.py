"""How is a DICOMweb root written as FHIR's Endpoint? One for each of its services."""

from collections.abc import Iterable
from typing import Final

from hilum.codec.fhir.values import Element

WADO, QIDO, STOW = "wado-rs", "qido-rs", "stow-rs"
_KINDS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOADS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
_MIME_TYPES: Final = {
    WADO: ["application/dicom", "application/dicom+json", "application/dicom+xml"],
    QIDO: ["application/dicom+json", "application/dicom+xml"],
    STOW: ["application/dicom", "application/dicom+json"],
}


def endpoints(services: Iterable[str], address: str, name: str) -> list[Element]:
    """The resources.

    Args:
        services: of `WADO`, `QIDO` and `STOW`; they are the ids too.
        address: root of the DICOMweb services.
        name: of the mount.
    """
    return [
        {
            "resourceType": "Endpoint",
            "id": each,
            "status": "active",
            "connectionType": {"system": _KINDS, "code": f"dicom-{each}"},
            "name": f"{name} {each.upper()}",
            "payloadType": [
                {
                    "coding": [{"system": _PAYLOADS, "code": "any", "display": "Any"}],
                    "text": "DICOM",
                }
            ],
            "payloadMimeType": _MIME_TYPES[each],
            "address": address,
        }
        for each in services
    ]
