"""What became of a retrieval that a client did not wait for? The status resources."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import JSON
from hilum.frontends.dicomweb.asked import asked
from hilum.frontends.dicomweb.reports import Reports
from hilum.frontends.dicomweb.waiting import described, fetches_of, retry_after


async def status(request: Request) -> Response:
    """How far it is; what is missing, or why it failed, once it has ended. 404 when forgotten."""
    about = asked(request)
    name: str = request.path_params["job"]
    reports: Reports = request.app.state.reports
    said = reports.get(about.mount, name)
    headers = {"Cache-Control": "no-store"}
    if said is None:
        fetching = fetches_of(about).fetching(name)
        said = described(fetching, about.root)
        if not fetching.ended:
            headers["Retry-After"] = retry_after(about.broker.mounts[about.mount])
        fetching.told |= said["state"] == "failed"
    return Response(orjson.dumps(said), 200, headers, media_type=JSON)


async def give_up(request: Request) -> Response:
    """End it, and forget it: 204."""
    about = asked(request)
    name: str = request.path_params["job"]
    reports: Reports = request.app.state.reports
    if reports.get(about.mount, name) is not None:
        reports.remove(about.mount, name)
    else:
        fetches_of(about).stop(name)
    return Response(status_code=204)
