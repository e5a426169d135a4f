"""How does an error look over FHIR? An OperationOutcome, and nothing that was not named."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from hilum.codec.fhir.outcome import failed
from hilum.frontends.dicomweb import errors

FHIR_JSON = "application/fhir+json"


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An OperationOutcome with one issue."""
    return Response(orjson.dumps(failed(status, text)), status, headers, media_type=FHIR_JSON)


def answer(error: Exception, request_id: str) -> Response:
    """The answer that is nothing but this error; one that nobody named says nothing else."""
    return errors.answer(error, request_id, said)
