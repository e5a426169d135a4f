import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers import HOST, free_port
from typer.testing import CliRunner

from hilum.cli import config as module
from hilum.cli.main import app


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    urls: list[str] = []
    monkeypatch.setattr(module.webbrowser, "open", lambda url: urls.append(url) or True)
    return urls


def run(tmp_path: Path, admin: str, *more: str) -> tuple[int, str, str]:
    file = tmp_path / "config.toml"
    file.write_text(f"[mounts.ARCHIVE]\n[admin]\n{admin}\n")
    done = CliRunner().invoke(app, ["config", "--config", str(file), *more])
    return done.exit_code, done.stdout, done.stderr


def test_the_page_is_opened_where_somebody_answers(tmp_path: Path, opened: list[str]) -> None:
    with socket.create_server((HOST, 0)) as door:
        port = door.getsockname()[1]
        url = f"http://{HOST}:{port}/a/config"
        admin = f'enabled = true\nport = {port}\nbase_path = "/a"'
        assert run(tmp_path, admin) == (0, f"{url}\n", "")
        assert opened == [url]
        assert run(tmp_path, admin, "--print") == (0, f"{url}\n", "")
        code, said, _ = run(tmp_path, admin, "--json")
        assert (code, json.loads(said)) == (0, {"url": url, "answers": True})
        assert opened == [url]


def test_where_nobody_answers_it_says_what_to_do(tmp_path: Path, opened: list[str]) -> None:
    admin = f"enabled = true\nport = {free_port()}"
    code, _, said = run(tmp_path, admin)
    assert (code, "hilum run" in said) == (1, True)
    assert run(tmp_path, admin, "--json")[0] == 1
    assert opened == []


@pytest.mark.parametrize(
    ("admin", "said"), [("", "admin.enabled: is false"), ("enabled = true\nport = 0", "admin.port")]
)
def test_without_a_door_it_says_how_there_is_one(
    tmp_path: Path, opened: list[str], admin: str, said: str
) -> None:
    code, _, told = run(tmp_path, admin)
    assert (code, said in told, opened) == (1, True, [])


def test_the_url_is_that_of_a_proxy_where_there_is_one(tmp_path: Path) -> None:
    admin = f'enabled = true\nport = {free_port()}\npublic_url = "https://pacs.example/admin"'
    assert (
        json.loads(run(tmp_path, admin, "--json")[1])["url"] == "https://pacs.example/admin/config"
    )
