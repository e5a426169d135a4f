"""What can be done with FHIR at this mount? `GET …/metadata`, and OPTIONS of every path."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

import hilum
from hilum.codec.fhir import capability
from hilum.frontends.fhir.asked import about, given
from hilum.frontends.fhir.kinds import ENDPOINTS, PATIENTS, STUDIES, SUBSCRIPTIONS, offered

_MADE: Final = datetime.fromtimestamp(Path(hilum.__file__).stat().st_mtime, UTC).date().isoformat()


async def statement(request: Request) -> Response:
    """The CapabilityStatement, made from what is mounted."""
    asked = about(request)
    is_searched = asked.mount.finds is not None
    types = [
        offered(asked, each)
        for each in (PATIENTS, STUDIES, ENDPOINTS)
        if is_searched or each is ENDPOINTS
    ]
    if asked.is_subscribed:
        types.append(offered(asked, SUBSCRIPTIONS))
    made = capability.statement(
        types,
        url=asked.root,
        name=asked.mount.name,
        software=hilum.__version__,
        date=_MADE,
        with_login=request.app.state.login.is_on,
    )
    return given(request, asked, made)
