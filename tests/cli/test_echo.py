import json
from pathlib import Path

import pytest
from tests import peers
from tests.cli.scu.peer import Pacs, call


def test_a_peer_that_lives_lives(a_pacs: Pacs) -> None:
    code, out, err = call("echo", a_pacs.place)
    assert (code, err) == (0, "")
    assert out.startswith("PACS at 127.0.0.1:")
    assert " lives: association in " in out


def test_programs_get_json(a_pacs: Pacs) -> None:
    code, out, _ = call("echo", a_pacs.place, "--json")
    said = json.loads(out)
    assert (code, said["ok"], said["aet"]) == (0, True, "PACS")
    assert 0 < said["echo_seconds"] < 10


def test_a_peer_of_the_configuration_is_called_by_its_name(a_pacs: Pacs, tmp_path: Path) -> None:
    port = int(a_pacs.place.rpartition(":")[2])
    config = tmp_path / "config.toml"
    config.write_text(peers.configuration(peers={"PACS": port}))
    code, out, _ = call("echo", "PACS", "--config", str(config))
    assert code == 0
    assert out.startswith("PACS at 127.0.0.1:")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nobody_there_is_3(more: tuple[str, ...]) -> None:
    code, out, err = call("echo", f"127.0.0.1:{peers.free_port()}", *more)
    assert code == 3
    said = json.loads(out)["error"] if more else err
    assert "Connection refused" in said
    assert len(said.splitlines()) == 1


def test_a_rejection_is_3(a_pacs: Pacs) -> None:
    code, _, err = call("echo", a_pacs.place, "--aet", "NOBODY")
    assert code == 3
    assert "called AE title not recognized" in err


def test_a_wrong_command_line_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HILUM_CONFIG", raising=False)
    assert call("echo", "PACS")[0] == 2
    assert call("echo")[0] == 2
    assert call("echo", "host:104", "--aet", "MUCH_TOO_LONG_FOR_A_TITLE")[0] == 2


def test_as_a_user_calls_it_there_is_no_traceback(a_pacs: Pacs) -> None:
    done = peers.command("echo", a_pacs.place)
    assert (done.returncode, "lives" in done.stdout) == (0, True)
    done = peers.command("echo", f"127.0.0.1:{peers.free_port()}")
    assert done.returncode == 3
    assert "Traceback" not in done.stdout
