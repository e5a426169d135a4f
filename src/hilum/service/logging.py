"""How log lines look: on standard error, as text or JSON, without patient data."""

import json
import logging
import re
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import NTEventLogHandler
from types import TracebackType

from hilum.config.watching import LoggingSettings
from hilum.core import correlation
from hilum.model.errors import HilumError

_QUIET = (
    *(
        "pydicom",
        "pynetdicom",
        "sqlalchemy",
        "alembic",
        "httpx",
        "httpcore",
        "urllib3",
    ),
)
"""Libraries that speak at their own level only from ERROR on, or not at all."""
_MUTE = ("pydicom", "pynetdicom")  # their lines quote values of attributes
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Beside(logging.Handler):
    """What gets the lines too, and still does when it changes how they look."""


def setup(settings: LoggingSettings, worker: int | None = None) -> None:
    """Send the lines of this process to standard error; nothing stays of how it was done before.

    Args:
        settings: how they look.
        worker: which of several processes this is; they say so.
    """
    root = logging.getLogger()
    others = [each for each in root.handlers if isinstance(each, Beside)]
    for each in others:
        root.removeHandler(each)  # else it would be closed
    handler = logging.StreamHandler()
    handler.setFormatter(Json(worker) if settings.format == "json" else Text(worker))
    logging.basicConfig(handlers=[handler, *others], level=logging.WARNING, force=True)
    for name in [each for each in (*root.manager.loggerDict,) if each.startswith("hilum.")]:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger("hilum").setLevel(settings.level.upper())
    for room, level in settings.levels.items():
        logging.getLogger(f"hilum.{room.removeprefix('hilum.')}").setLevel(level.upper())
    if settings.event_log:
        logging.getLogger().addHandler(event_log(NTEventLogHandler, worker))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _MUTE:
        logging.getLogger(name).disabled = True
        logging.getLogger(name).propagate = False  # of those below it; a level is set on import
    warnings.simplefilter("ignore")  # pydicom's quote values of attributes
    logging.captureWarnings(capture=False)


def event_log(make: Callable[[str], logging.Handler], worker: int | None) -> logging.Handler:
    """What writes to the event log of Windows, which has times of its own.

    Args:
        make: makes it, for a source of that name.
        worker: as for `setup`.
    """
    handler = make("Hilum")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(Text(worker))
    return handler


class Text(logging.Formatter):
    """One line: time, level, room, message. A traceback follows on lines of its own."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._before = "" if worker is None else f"[{worker}] "

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        room = record.name.removeprefix("hilum.")
        name = correlation.now().request_id
        text = one_line(record.message)
        if name and name not in text:
            text = f"{name} {text}"
        return f"{_time(record)} {record.levelname:<7} {self._before}{room}: {text}"

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        return describe(ei)


class Json(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._worker = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            **self._worker,
            "logger": record.name,
            "message": record.getMessage(),
        }
        now = correlation.now()
        if now.request_id:
            line["request_id"] = now.request_id
        if now.trace:
            line["trace_id"] = now.trace
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = describe(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def describe(exc_info: object) -> str:
    """Where an exception came from, and its kind.

    The words of foreign exceptions are left out: they may quote what was in a data set.
    """
    error = exc_info[1] if isinstance(exc_info, tuple) else None
    if not isinstance(error, BaseException):
        return ""
    return "\n".join(_story(error))


def _story(error: BaseException) -> list[str]:
    lines: list[str] = []
    if error.__cause__ is not None:
        lines += [*_story(error.__cause__), "which led to"]
    frames = traceback.extract_tb(error.__traceback__)
    lines += [f"  {each.filename}:{each.lineno} in {each.name}" for each in frames]
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}{_words(error)}")
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            lines += ["one of them:", *_story(each)]
    return lines


def _words(error: BaseException) -> str:
    if isinstance(error, HilumError):
        return f": {one_line(str(error))}"
    return f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""


def one_line(text: str) -> str:
    """Without what could forge a second line or steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).astimezone()
    return moment.isoformat(timespec="milliseconds")
