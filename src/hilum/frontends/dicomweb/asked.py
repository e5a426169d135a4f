"""What does a request address, and what does its client accept? (PS3.18 §8.2 and §8.4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request

from hilum.codec import media_type
from hilum.codec.media_type import DICOM_JSON, JSON, MediaType
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.frontends.dicomweb.root import mount_root
from hilum.model.errors import BadRequest, NotAcceptable, UnknownMount
from hilum.model.identity import Ref, is_uid


@dataclass(frozen=True, slots=True)
class Asked:
    """One request below a mount.

    Attributes:
        mount: AE title of the mount that is meant.
        root: its URL as the client sees it, without a slash at its end.
        ref: the study, series or instance of the path; empty for the mount itself.
    """

    broker: Broker
    settings: HttpSettings
    mount: str
    root: str
    ref: Ref
    request_id: str


def asked(request: Request) -> Asked:
    """Read what the path says.

    Raises:
        UnknownMount: the default mount is meant and there is none.
        BadRequest: the path has something that is no UID where one must be.
    """
    broker: Broker = request.app.state.broker
    settings: HttpSettings = request.app.state.settings
    mount = request.path_params.get("aet", broker.mounts.default)
    if mount is None:
        raise UnknownMount("there is no default mount: use /aets/{aet}")
    uids = {key: request.path_params.get(key) for key in ("study", "series", "instance")}
    for key, uid in uids.items():
        if uid is not None and not is_uid(uid):
            raise BadRequest(f"the {key} in the path is no UID")
    return Asked(
        broker=broker,
        settings=settings,
        mount=mount,
        root=mount_root(request, settings),
        ref=Ref(**uids),
        request_id=request_id(request),
    )


def request_id(request: Request) -> str:
    """The name of this request in logs and in X-Request-ID."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def accepts(request: Request) -> list[MediaType]:
    """What the client takes, the best first: `accept=` goes before Accept (PS3.18 §8.7.5).

    Who says nothing, or nothing that can be read, takes anything.
    """
    parameters = tuple(
        value for name, value in request.query_params.multi_items() if name.lower() == "accept"
    )
    return [*_ranges(parameters, tuple(request.headers.getlist("accept")))]


@lru_cache(maxsize=256)
def _ranges(parameters: tuple[str, ...], headers: tuple[str, ...]) -> tuple[MediaType, ...]:
    ranges = media_type.accepted(*parameters) + media_type.accepted(*headers)
    return tuple(ranges) or (MediaType("*/*"),)


def json_type(request: Request) -> str:
    """The media type of a DICOM JSON answer.

    Raises:
        NotAcceptable: the client takes none.
    """
    return one_of(request, (DICOM_JSON, JSON))


def one_of(request: Request, offers: Iterable[str]) -> str:
    """The one of our media types that the client likes best.

    Raises:
        NotAcceptable: it takes none of them.
    """
    offered = list(offers)
    chosen = media_type.choose(accepts(request), offered)
    if chosen is None:
        raise NotAcceptable(f"this can be given as {' or '.join(offered)} only")
    return chosen


def gzip_accepted(request: Request) -> bool:
    """Whether the answer may be compressed (RFC 9110 §12.5.3)."""
    weights: dict[str, bool] = {}
    for item in ",".join(request.headers.getlist("accept-encoding")).split(","):
        name, _, weight = item.partition(";")
        refused = weight.replace(" ", "").rstrip("0").rstrip(".") in {"q=", "q=0"}
        weights[name.strip().lower()] = not refused
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def warning(root: str, text: str) -> tuple[str, str]:
    """A Warning header of PS3.18 §8.3.4: `299 <service>: "text"`."""
    return "Warning", f'299 {root}: "{text}"'
