"""What does a request address, and what does its client accept? (PS3.18 §8.2 and §8.4)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from starlette.requests import Request

from hilum.codec import media_type
from hilum.codec.media_type import MediaType
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.operations import Operation
from hilum.frontends.dicomweb.root import mount_root
from hilum.frontends.dicomweb.who import who
from hilum.model.errors import BadRequest, NotAcceptable, UnknownMount
from hilum.model.identity import Ref, is_uid
from hilum.model.principal import Principal

Op = TypeVar("Op", bound=Operation)
_UIDS: Final = ("study", "series", "instance")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request below a mount.

    Attributes:
        mount: AE title of the mount that is meant.
        root: its URL as the client sees it, without a slash at its end.
        ref: the study, series or instance of the path; empty for the mount itself.
        who: asks.
    """

    broker: Broker
    settings: HttpSettings
    mount: str
    root: str
    ref: Ref
    who: Principal
    request_id: str

    def operation(self, kind: Callable[..., Op], **what: object) -> Op:
        """An operation on the mount, as whoever asks."""
        return kind(mount=self.mount, who=self.who, request_id=self.request_id, **what)

    def part(self, kind: Callable[..., Op], **what: object) -> Op:
        """A part of an operation that was authorised as a whole, which needs no right of its own.

        A search for the instances that are to be rendered needs none to search.
        """
        admitted = self.who.admitted()
        return kind(mount=self.mount, who=admitted, request_id=self.request_id, **what)


def asked(request: Request) -> Asked:
    """Read what the path says.

    Raises:
        UnknownMount: the default mount is meant and there is none.
        BadRequest: the path has something that is no UID where one must be.
    """
    broker: Broker = request.app.state.broker
    settings: HttpSettings = request.app.state.settings
    said = request.path_params
    mount = said.get("aet", broker.mounts.default)
    if mount is None:
        raise UnknownMount("there is no default mount: use /aets/{aet}")
    uids = {key: said[key] for key in _UIDS if key in said}
    for key, uid in uids.items():
        if not is_uid(uid):
            raise BadRequest(f"the {key} in the path is no UID")
    return Asked(
        broker=broker,
        settings=settings,
        mount=mount,
        root=mount_root(request, settings),
        ref=Ref(**uids),
        who=who(request.scope),
        request_id=request_id(request),
    )


def request_id(request: Request) -> str:
    """The name of this request in logs and in X-Request-ID."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def accepts(request: Request) -> list[MediaType]:
    """What the client takes, the best first: `accept=` goes before Accept (PS3.18 §8.7.5).

    Who says nothing, or nothing that can be read, takes anything; what is ruled out by `q=0` is
    the last. Charsets are not looked at:
    text goes out in UTF-8, whatever `charset` or Accept-Charset say (RFC 9110 §12.5.2).
    """
    named, header = (_ranges(text) for text in _said(request))
    ranges = sorted((*named, *header), key=lambda each: not each.quality) if named else header
    return list(ranges) or [MediaType("*/*")]


def _said(request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values of `accept=`, and those of Accept."""
    header = tuple(request.headers.getlist("accept"))
    query: bytes = request.scope["query_string"]
    if b"%" not in query and b"accept" not in query.lower():  # most have none: nothing is parsed
        return (), header
    parameters = tuple(
        value for name, value in request.query_params.multi_items() if name.lower() == "accept"
    )
    return parameters, header


@lru_cache(maxsize=256)
def _ranges(texts: tuple[str, ...]) -> tuple[MediaType, ...]:
    return tuple(media_type.accepted(*texts))


def one_of(request: Request, offers: Iterable[str]) -> str:
    """The one of our media types that the client likes best.

    Raises:
        NotAcceptable: it takes none of them.
    """
    offered = tuple(offers)
    chosen = _chosen(_said(request), offered)
    if chosen is None:
        raise NotAcceptable(f"this can be given as {' or '.join(offered)} only")
    return chosen


@lru_cache(maxsize=256)
def _chosen(texts: tuple[tuple[str, ...], tuple[str, ...]], offered: tuple[str, ...]) -> str | None:
    said = [_ranges(each) for each in texts]
    if not any(said):
        said.append((MediaType("*/*"),))
    found = (media_type.choose(ranges, offered) for ranges in said)
    return next((each for each in found if each is not None), None)


def warning(root: str, text: str) -> tuple[str, str]:
    """A Warning header of PS3.18 §8.3.4: `299 <service>: "text"`."""
    return "Warning", f'299 {root}: "{text}"'
