"""How do errors come to Sentry? Lines of the log from ERROR on, as they stand there.

Nothing is gathered by its library: neither values of variables, requests and what was logged
before, nor the words of foreign errors, which may quote a patient.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import hilum
from hilum.config.watching import TelemetrySettings
from hilum.core import correlation
from hilum.model.errors import HilumError
from hilum.service.logging import Beside

TIMEOUT: Final = 3.0  # seconds for what was not sent yet, as the service stops


class Sentry(Beside):
    """Gives lines to a client of Sentry.

    Args:
        client: `sentry_sdk.Client`.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - of a library that may not be there
        super().__init__(logging.ERROR)
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:
        """One event."""
        if record.name.startswith(("sentry_sdk", "urllib3")):
            return  # of its own troubles
        now = correlation.now()
        tags = {"request_id": now.request_id} if now.request_id else {}
        event: dict[str, Any] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "logentry": {"message": record.msg, "formatted": record.getMessage()},
            "tags": tags,
        }
        if now.trace:
            event["contexts"] = {"trace": {"trace_id": now.trace, "span_id": now.span}}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            event["exception"] = {"values": [*_chain(error)]}
        self._client.capture_event(event)


def _chain(error: BaseException) -> Iterator[dict[str, Any]]:
    """The first cause first."""
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)
    yield {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "value": str(error) if isinstance(error, HilumError) else "",
        "stacktrace": {
            "frames": [
                {"filename": each.filename, "function": each.name, "lineno": each.lineno}
                for each in traceback.extract_tb(error.__traceback__)
            ]
        },
    }


@contextmanager
def reporting(settings: TelemetrySettings) -> Iterator[None]:
    """Errors go to Sentry, until the block is left.

    Raises:
        ImportError: the library is not there.
        ValueError: what the settings say is no DSN.
    """
    import sentry_sdk  # noqa: PLC0415 - where it is wanted

    dsn = settings.sentry
    client = sentry_sdk.Client(
        dsn=dsn.get_secret_value() if dsn is not None else None,
        release=f"hilum@{hilum.__version__}",
        environment=settings.environment,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        shutdown_timeout=TIMEOUT,
    )
    handler = Sentry(client)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        client.close(timeout=TIMEOUT)
