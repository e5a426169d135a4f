from pathlib import Path

import pytest
import trustme
from tests.config.test_auth import problems
from tests.net.repository import trusted

from hilum.config.audit import GROUPS, AuditSettings
from hilum.config.load import load


def loaded(folder: Path, text: str) -> AuditSettings:
    config = folder / "config.toml"
    config.write_text('[mounts.ARCHIVE]\nbackend = "archive"\n[audit]\n' + text)
    return load(config, {}).audit


def test_by_default_everything_is_recorded_here_and_no_patient_is_named(tmp_path: Path) -> None:
    found = loaded(tmp_path, "")
    assert (found.enabled, found.events, found.patients, found.syslog) == (
        True,
        GROUPS,
        False,
        None,
    )
    assert found.place == ("", "", 0)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("tls://audit.example.org", ("tls", "audit.example.org", 6514)),
        ("tls://192.0.2.1:16514/", ("tls", "192.0.2.1", 16514)),
        ("tcp://[2001:db8::1]:601", ("tcp", "2001:db8::1", 601)),
        ("udp://log", ("udp", "log", 514)),
    ],
)
def test_a_server_is_named_by_how_it_is_spoken_to(
    tmp_path: Path, written: str, place: tuple[str, str, int]
) -> None:
    assert loaded(tmp_path, f'syslog = "{written}"').place == place


@pytest.mark.parametrize(
    "written",
    ["log", "https://log", "tls://", "tls://a:0", "tls://a:65536", "tls://a b", "tls://a/x"],
)
def test_what_is_no_server_is_refused(tmp_path: Path, written: str) -> None:
    assert "audit.syslog: not a place" in problems(tmp_path, f'[audit]\nsyslog = "{written}"')


def test_what_has_no_effect_is_refused(tmp_path: Path) -> None:
    trusted(trustme.CA(), tmp_path)
    text = '[audit]\nsyslog = "tcp://a"\nca_file = "ca.pem"\n'
    assert "audit.ca_file: has no effect" in problems(tmp_path, text)
    text = '[audit]\nsyslog = "tls://a"\nenabled = false\n'
    assert "audit.enabled: is false" in problems(tmp_path, text)
    assert "audit.events" in problems(tmp_path, '[audit]\nevents = ["everything"]\n')


def test_what_is_recorded_can_be_chosen(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'events = ["security", "delete"]').events == ("security", "delete")
