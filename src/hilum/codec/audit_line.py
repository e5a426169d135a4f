"""How does an event stand in the audit log? As one JSON object a line, without what is empty."""

from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import orjson

from hilum.model.audit import NONE, Action, Event, Kind, Outcome, Recorded
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof

_NAMES: Final = ("mount", "request_id", "why", "study", "patient", "to")
_TEXTS: Final = [(name, attrgetter(name)) for name in _NAMES]
_OF_WHO: Final = [
    (f"who_{name}", attrgetter(name)) for name in ("name", "ae_title", "address", "certificate")
]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode(recorded: Recorded) -> bytes:
    """One line, with its end."""
    event, who = recorded.event, recorded.event.who
    said: dict[str, Any] = {
        "time": moment(recorded.time),
        "event": event.kind,
        "outcome": event.outcome,
        "action": event.action,
    }
    said.update([(name, value) for name, of in _TEXTS if (value := of(event))])
    said.update([(name, value) for name, of in _OF_WHO if (value := of(who))])
    if who.is_known:
        said["who_proof"] = who.proof
    if event.instances:
        said["instances"] = dict(event.instances)
    if event.comes:
        said["comes"] = True
    if event.level is not None:
        said["level"] = event.level.value
        said["keys"] = dict(event.keys)
    if event.count != 1:
        said["count"] = event.count
    said["host"], said["process"] = recorded.host, recorded.process
    try:
        return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(said), option=orjson.OPT_APPEND_NEWLINE)


def parse(line: bytes) -> Recorded:
    """What `encode` gave.

    Raises:
        ValueError: it is none of it.
    """
    try:
        return _parsed(orjson.loads(line))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no line of an audit log") from error


def _parsed(said: Any) -> Recorded:  # noqa: ANN401 - any JSON
    level = said.get("level")
    event = Event(
        kind=Kind(said["event"]),
        who=Principal(
            proof=Proof(said.get("who_proof", Proof.NOTHING)),
            name=str(said.get("who_name", "")),
            ae_title=str(said.get("who_ae_title", "")),
            address=str(said.get("who_address", "")),
            certificate=str(said.get("who_certificate", "")),
        ),
        outcome=Outcome(said["outcome"]),
        action=Action(said["action"]),
        instances=MappingProxyType(
            {str(each): int(number) for each, number in said["instances"].items()}
        )
        if "instances" in said
        else NONE,
        comes=bool(said.get("comes")),
        level=None if level is None else Level(level),
        keys=MappingProxyType({str(k): str(v) for k, v in said.get("keys", {}).items()}),
        count=int(said.get("count", 1)),
        **{name: str(said.get(name, "")) for name in _NAMES},
    )
    since = datetime.fromisoformat(said["time"]) - _EPOCH
    milliseconds = round(since.total_seconds() * 1000)
    process = int(said["process"])
    return Recorded(event=event, time=milliseconds, host=str(said["host"]), process=process)


def moment(milliseconds: int) -> str:
    """A time as RFC 5424 and XML Schema both write it."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _writable(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same without lone surrogates, of text that came from outside."""
    if isinstance(node, str):
        return node if node.isascii() else node.encode("utf-8", "replace").decode()
    if isinstance(node, dict):
        return {_writable(name): _writable(value) for name, value in node.items()}
    return node
