import json
import logging

import pytest
from pydantic import SecretStr
from tests.service.receiver import receiver

from hilum.config.watching import TelemetrySettings
from hilum.core.correlation import Correlation, within
from hilum.model.errors import BackendFault
from hilum.service.logging import Beside
from hilum.service.sentry import reporting

pytest.importorskip("sentry_sdk")
log = logging.getLogger("hilum.net.http")


def fail(patient: str) -> None:
    try:
        int(patient)
    except ValueError as error:
        raise BackendFault("it is off") from error


def test_errors_go_to_sentry_in_our_words_only() -> None:
    patient = "Doe^Jane"
    with receiver() as project:
        dsn = f"http://key@127.0.0.1:{project.port}/1"
        settings = TelemetrySettings(sentry=SecretStr(dsn), environment="test")
        with reporting(settings), within(Correlation("abc")):
            log.warning("this is no error")
            handlers = logging.getLogger().handlers
            assert [each for each in handlers if isinstance(each, Beside)]
            try:
                fail(patient)
            except BackendFault:
                log.exception("a request %s", "failed")
        sent = project.sent.get(timeout=60)
        assert project.sent.empty()
    log.error("nobody hears this any more")
    assert sent.path == "/api/1/envelope/"
    assert patient.encode() not in sent.body
    _envelope, _item, body = sent.body.splitlines()
    event = json.loads(body)
    assert event["logentry"]["formatted"] == "a request failed"
    assert event["tags"] == {"request_id": "abc"}
    assert event["environment"] == "test"
    first, last = event["exception"]["values"]
    assert (first["type"], first["value"]) == ("ValueError", "")
    assert (last["type"], last["value"]) == ("BackendFault", "it is off")
    assert last["stacktrace"]["frames"][-1]["function"] == "fail"
    assert "vars" not in last["stacktrace"]["frames"][0]
    assert "breadcrumbs" not in event


def test_what_is_no_dsn_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"), reporting(TelemetrySettings(sentry="nonsense")):
        pass
