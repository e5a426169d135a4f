"""What has been counted, for Prometheus: `GET /metrics`."""

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.records import Exposes


async def metrics(request: Request) -> Response:
    """In the format that the client takes: Prometheus' own, or OpenMetrics."""
    exposes: Exposes = request.app.state.exposes
    text, kind = await exposes(request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": kind})
