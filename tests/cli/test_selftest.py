import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import configured, running
from tests.cli.scu.peer import call
from tests.peers import free_port


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("plain")
    path = configured(folder, mounts_ARCHIVE__delete=True)
    with running(path):
        yield path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A broker with TLS and logins; its configuration, and a file with a token."""
    folder = tmp_path_factory.mktemp("guarded")
    assert call("cert", "self-signed", "--folder", str(folder), "--host", "127.0.0.1")[0] == 0
    path = configured(
        folder,
        dimse__tls_port=free_port(),
        http__tls=True,
        tls__certificate=str(folder / "cert.pem"),
        tls__key=str(folder / "key.pem"),
        auth__enabled=True,
    )
    token = folder / "token"
    code, out, err = call(
        *("token", "create", "tester", "--may", "echo,query,retrieve", "--json"),
        *("--config", str(path)),
    )
    assert code == 0, err
    token.write_text(json.loads(out)["token"])
    with running(path):
        yield path, token


def selftest(config: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code, out, err = call("selftest", "--json", "--config", str(config), *options)
    assert out, err
    found = json.loads(out)
    assert found["ok"] is (code == 0)
    return code, {each["what"]: each for each in found["rows"]}


def test_a_broker_does_what_its_statement_says(config: Path) -> None:
    code, rows = selftest(config, "--store")
    assert [each for each in rows.values() if each["ok"] is False] == []
    assert code == 0
    skipped = {what for what, each in rows.items() if each["ok"] is None}
    assert skipped == {
        "versions of TLS",
        "a request without a login is refused",
        "an association without a login is refused",
    }
    assert rows["C-FIND IMAGE"]["said"].startswith("3 found")
    assert rows["DELETE of what was stored"]["said"] == "gone"


def test_nothing_is_stored_unless_it_is_asked_for(config: Path) -> None:
    code, rows = selftest(config)
    assert code == 0
    assert rows["STOW-RS"]["said"] == "--store was not given: nothing is written"
    assert rows["QIDO-RS studies"]["said"] == "0 found"
    assert rows["WADO-RS instance"]["ok"] is None


def test_people_get_a_table(config: Path) -> None:
    code, out, _ = call("selftest", "--config", str(config), "--mount", "ARCHIVE")
    assert code == 0
    assert "│ ok      │ ARCHIVE │ storage classes and syntaxes" in out
    assert " ok, 0 failed, " in out


def test_tls_and_logins_are_tried_too(guarded: tuple[Path, Path]) -> None:
    config, token = guarded
    code, rows = selftest(config, "--token", str(token))
    assert [each for each in rows.values() if each["ok"] is False] == []
    assert code == 0
    assert rows["versions of TLS"]["said"].count("TLS 1.1 no, TLS 1.2 yes, TLS 1.3 yes") == 2
    assert rows["a request without a login is refused"]["said"].startswith("401")
    assert rows["an association without a login is refused"]["said"].startswith("(1, 2, 1)")


def test_without_a_token_the_rows_say_that_one_is_needed(guarded: tuple[Path, Path]) -> None:
    code, rows = selftest(guarded[0])
    assert code == 1
    assert rows["QIDO-RS studies"]["fix"] == "logins are on: show a token by --token FILE"
    assert rows["C-ECHO"]["said"] == "logins are on: show a token by --token FILE"


def test_another_configuration_than_the_running_one_is_found_out(
    config: Path, tmp_path: Path
) -> None:
    text = config.read_text(encoding="utf-8")
    other = tmp_path / "config.toml"
    other.write_text(text.replace("delete = true\n", ""), encoding="utf-8")
    code, rows = selftest(other)
    assert code == 1
    assert "told and stated differ: DELETE /studies/" in rows["OPTIONS: capabilities"]["said"]
    assert "another configuration" in rows["OPTIONS: capabilities"]["fix"]


def test_without_a_broker_every_row_says_how_to_start_one(tmp_path: Path) -> None:
    code, rows = selftest(configured(tmp_path))
    assert code == 1
    failed = [each for each in rows.values() if each["ok"] is False]
    assert len(failed) > 10
    assert {each["fix"] for each in failed} == {
        "start it with `hilum run`, or name the configuration that it runs with by --config"
    }


def test_a_mount_that_is_not_there_is_a_wrong_command_line(config: Path) -> None:
    code, _, err = call("selftest", "--config", str(config), "--mount", "PACS")
    assert (code, err) == (2, "no mount is called PACS; there is ARCHIVE\n")
    assert call("selftest", "--config", str(config), "--token", "/none")[0] == 2
