import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpcore
import pytest

from hilum.codec.verdict import verdict_on
from hilum.model import errors
from hilum.net.refused import AGAIN, refused, retry_after, unanswered, unsent, untrusted


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpcore.ConnectError("x"), errors.BackendUnavailable),
        (httpcore.ConnectTimeout("x"), errors.BackendTimeout),
        (httpcore.ReadTimeout("x"), errors.BackendTimeout),
        (httpcore.WriteTimeout("x"), errors.BackendTimeout),
        (httpcore.PoolTimeout("x"), errors.OutOfResources),
        (httpcore.ReadError("x"), errors.BackendUnavailable),
        (httpcore.RemoteProtocolError("x"), errors.BackendUnavailable),
        (httpcore.ProxyError("x"), errors.BackendUnavailable),
        (httpcore.LocalProtocolError("x"), errors.BackendFault),
    ],
)
def test_each_exception_has_one_of_our_names(
    error: Exception, kind: type[errors.HilumError]
) -> None:
    told = unanswered(error, "the origin server")
    assert type(told) is kind
    assert "x" not in str(told).split()
    assert not untrusted(error)


def test_what_tls_failed_by_is_told() -> None:
    broken = httpcore.ConnectError("x")
    cause = ssl.SSLCertVerificationError(1, "no")
    cause.verify_message = "self-signed certificate"
    broken.__cause__ = cause
    assert "self-signed certificate" in str(unanswered(broken, "it"))
    assert untrusted(broken)
    broken.__cause__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x")
    assert untrusted(broken)


@pytest.mark.parametrize("inner", [ssl.SSLWantReadError(2, "x"), ssl.SSLEOFError(8, "x")])
def test_a_connection_that_is_silent_or_ends_is_no_fault_of_tls(inner: ssl.SSLError) -> None:
    broken = httpcore.ReadTimeout("x")
    broken.__context__ = inner
    assert isinstance(unanswered(broken, "it"), errors.BackendTimeout)
    assert not untrusted(broken)


def test_only_without_a_connection_is_nothing_sent() -> None:
    assert unsent(httpcore.ConnectError("x"))
    assert unsent(httpcore.ConnectTimeout("x"))
    assert not unsent(httpcore.WriteError("x"))
    assert not unsent(httpcore.ReadTimeout("x"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, errors.BackendFault), (400, errors.BackendFault), (401, errors.CredentialsRefused),
        (403, errors.CredentialsRefused), (404, errors.NotFound), (405, errors.NotOffered),
        (406, errors.BackendFault), (410, errors.NotFound), (413, errors.TooLarge),
        (429, errors.OutOfResources), (500, errors.BackendFault), (501, errors.NotOffered),
        (502, errors.BackendUnavailable), (503, errors.OutOfResources),
        (504, errors.BackendTimeout),
    ],
)  # fmt: skip
def test_each_status_has_one_of_our_names(status: int, kind: type[errors.HilumError]) -> None:
    assert type(refused(status, "the origin server")) is kind


@pytest.mark.parametrize("status", [401, 403, 407])
def test_refused_credentials_are_a_fault_of_configuration_and_not_the_callers(status: int) -> None:
    told = refused(status, "the origin server of mounts.CLOUD")
    assert verdict_on(told).http == 502
    assert "mounts.CLOUD" in str(told)
    assert "credentials" in str(told)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), (" 120 ", 120.0), ("9" * 50, 10.0**9), ("", None), ("soon", None), ("-1", None),
     ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0), ("٣", None)],
)  # fmt: skip
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds


@pytest.mark.parametrize("usegmt", [True, False])
def test_retry_after_may_be_a_date(*, usegmt: bool) -> None:
    when = datetime.now(UTC) + timedelta(seconds=90)
    told = retry_after(format_datetime(when, usegmt=usegmt))
    assert told is not None
    assert 85 < told < 91


def test_what_may_be_tried_again_is_what_passes() -> None:
    assert {429, 502, 503, 504} == AGAIN
