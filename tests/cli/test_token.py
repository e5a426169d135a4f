import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import configured, ran, running
from typer.testing import CliRunner

from hilum.cli.main import app


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


def token(config: Path, *arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["token", *arguments, "--config", str(config)])
    return ended.exit_code, ended.stdout, ended.stderr


def said(config: Path, *arguments: str) -> Any:
    code, out, errors = token(config, *arguments, "--json")
    assert code == 0, errors
    return json.loads(out)


def test_a_token_is_shown_once_and_listed_without_its_text(config: Path) -> None:
    made = said(config, "create", "CT 1", "--may", "store,query", "--mounts", "ARCHIVE")
    assert made["token"].startswith("hilum_")
    assert (made["may"], made["mounts"], made["good"]) == (["query", "store"], ["ARCHIVE"], True)
    (listed,) = said(config, "list")
    assert listed == {name: value for name, value in made.items() if name != "token"}
    code, out, _ = token(config, "list")
    assert code == 0
    assert "CT 1" in out
    assert made["token"] not in out


def test_for_people(config: Path) -> None:
    code, out, _ = token(config, "list")
    assert code == 0
    assert "No token" in out
    code, out, _ = token(config, "create", "x", "--may", "query", "--expires", "never")
    assert code == 0
    assert out.startswith("hilum_")
    assert "until it is revoked" in out
    code, out, _ = token(config, "revoke", "x")
    assert (code, "is revoked" in out) == (0, True)
    assert "revoked" in token(config, "list")[1]


def test_a_token_is_revoked_once(config: Path) -> None:
    made = said(config, "create", "x", "--may", "query", "--expires", "12h")
    gone = said(config, "revoke", made["id"])
    assert gone["revoked"] is not None
    assert not gone["good"]
    code, _, errors = token(config, "revoke", made["id"])
    assert code == 1
    assert "no such token" in errors


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["x", "--may", "fly"], "--may: fly is no right; there are echo, query"),
        (["x", "--may", ","], "--may: nothing"),
        (["x", "--may", "query", "--mounts", "NOWHERE"], "--mounts: NOWHERE is no mount"),
        (["x", "--may", "query", "--expires", "soon"], "--expires"),
        (["x", "--may", "query", "--expires", "0"], "--expires"),
        ([" ", "--may", "query"], "NAME"),
        (["a\nb", "--may", "query"], "NAME"),
    ],
)
def test_what_makes_no_sense_is_refused(config: Path, arguments: list[str], why: str) -> None:
    code, _, errors = token(config, "create", *arguments)
    assert code == 1
    assert why in errors
    assert said(config, "list") == []


def test_a_folder_that_cannot_be_used(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    code, _, errors = token(config, "list")
    assert code == 1
    assert "cannot be used" in errors


def test_it_works_beside_a_running_broker(config: Path) -> None:
    def run(*arguments: str) -> Any:
        done = ran("token", *arguments, "--json", "--config", config)
        return json.loads(done.stdout)

    with running(config):
        made = run("create", "x", "--may", "query")
        assert [each["id"] for each in run("list")] == [made["id"]]
        assert run("revoke", "x")["id"] == made["id"]
    assert not said(config, "list")[0]["good"]
