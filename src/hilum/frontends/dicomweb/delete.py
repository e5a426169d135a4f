"""How is a study, series or instance deleted? (`DELETE` of its resource, RFC 9110 §9.3.5)."""

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.operations import Delete
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.asked import asked


async def delete(request: Request) -> Response:
    """204 once it is gone, durably; 404 where nothing is kept under these UIDs.

    405 where the mount does not let it: that is the configuration's word on this resource, which
    no credentials change, and Allow says what else can be done.
    """
    about = asked(request)
    if about.broker.mounts[about.mount].deletes is None:
        allowed = {*request.scope["hilum.handlers"]} - {"DELETE"}
        headers = {"Allow": ", ".join(sorted(allowed))}
        return errors.said(405, f"{about.mount} does not let anything be deleted", headers)
    await about.broker.delete(about.operation(Delete, ref=about.ref))
    return Response(status_code=204)
