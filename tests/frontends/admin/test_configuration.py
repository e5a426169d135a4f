import html
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.frontends.admin.asking import browser, send

from hilum.config.edit import MASK
from hilum.config.load import load
from hilum.core.broker import Broker
from hilum.core.mounts import Mounts
from hilum.frontends.admin.desk import Desk
from hilum.model.audit import Event, Kind
from hilum.model.principal import Principal

pytestmark = pytest.mark.anyio

TEXT = """
# <Ours>
[dimse]
port = 11112 # agreed
[mounts.ARCHIVE]
[mounts.WEB]
backend = "dicomweb"
url = "http://origin.example/dicom-web"
headers = { X-Key = "s3cret" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    return path


def content(file: Path) -> str:
    return file.read_text()


def write(file: Path, text: str) -> None:
    file.write_text(text)


def desk(file: Path) -> Desk:
    settings = load(file, {})
    return Desk(settings=lambda: settings)


def shown(answer: httpx.Response) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*)</textarea>", answer.text, re.DOTALL)
    assert found, answer.text
    return html.unescape(found[1])


async def edited(asking: httpx.AsyncClient, does: str, text: str, tag: str = "") -> httpx.Response:
    tag = tag or await tagged(asking)
    return await send(asking, "/config", do=does, tag=tag, text=text)


async def tagged(asking: httpx.AsyncClient) -> str:
    found = re.search(r'name="tag" value="(\w+)"', (await asking.get("/config")).text)
    assert found
    return found[1]


async def test_the_file_is_shown_without_its_secrets(file: Path) -> None:
    async with browser(desk(file)) as asking:
        answer = await asking.get("/config")
    assert shown(answer) == TEXT.replace("s3cret", MASK)
    assert "s3cret" not in answer.text


async def test_a_preview_shows_what_changes_and_saves_nothing(file: Path) -> None:
    async with browser(desk(file)) as asking:
        text = shown(await asking.get("/config"))
        text = text.replace("11112", "104").replace("[mounts.ARCHIVE]", "[mounts.ARCHIVE2]")
        answer = await edited(asking, "preview", text)
        assert answer.status_code == 200
        assert '<span class="minus">-port = 11112 # agreed</span>' in answer.text
        assert '<span class="plus">+port = 104 # agreed</span>' in answer.text
        assert re.search(r"dimse.port</code> <strong[^>]*>needs a restart", answer.text)
        assert "mounts.ARCHIVE2 (added)" in answer.text
        assert "s3cret" not in answer.text
        assert shown(answer) == text
        assert shown(await edited(asking, "edit", text)) == text
    assert content(file) == TEXT


async def test_a_mistake_is_told_and_nothing_is_saved(file: Path) -> None:
    async with browser(desk(file)) as asking:
        text = TEXT.replace("s3cret", MASK).replace("port =", "prot =")
        for does in ("preview", "save", "apply"):
            answer = await edited(asking, does, text)
            assert answer.status_code == 400
            assert "dimse.prot: unknown key; did you mean dimse.port?" in answer.text
            assert shown(answer) == text
    assert content(file) == TEXT


async def test_saving_keeps_secrets_and_a_copy_and_the_audit_tells(file: Path) -> None:
    told: list[Event] = []
    broker = Broker(Mounts({}, None), audits=told.append)
    async with browser(desk(file), broker=broker) as asking:
        changed = TEXT.replace("s3cret", MASK) + "# more\n"
        answer = await edited(asking, "save", changed)
        assert "config.toml.bak" in answer.text
        assert "It is not applied yet" in answer.text
    assert content(file) == TEXT + "# more\n"
    assert content(file.with_name("config.toml.bak")) == TEXT
    why = f"saved {file}: nothing that counts"
    assert [(each.kind, each.why) for each in told] == [(Kind.CONFIGURED, why)]


async def test_the_audit_has_the_names_of_what_was_saved_and_no_secrets(file: Path) -> None:
    told: list[Event] = []
    async with browser(desk(file), broker=Broker(Mounts({}, None), audits=told.append)) as asking:
        await edited(asking, "save", TEXT.replace("s3cret", "n3w").replace("11112", "11113"))
    assert [each.why for each in told] == [f"saved {file}: dimse.port, mounts.WEB.headers"]


async def test_applying_tells_what_became_of_it(file: Path) -> None:
    outcomes: list[Mapping[str, Any]] = [
        {"ok": True, "applied": ["limits.x"], "restart": ["dimse.port"], "problems": []},
        {"ok": False, "applied": [], "restart": [], "problems": ["mounts.X: <no>"]},
    ]

    async def reload(_who: Principal) -> Mapping[str, Any]:
        return outcomes.pop(0)

    async with browser(replace(desk(file), reload=reload)) as asking:
        answer = await edited(asking, "apply", TEXT + "# more\n")
        assert "Applied: limits.x." in answer.text
        assert "Needs a restart:</strong> dimse.port" in answer.text
        answer = await edited(asking, "reload", "")
        assert "mounts.X: &lt;no&gt;" in answer.text
    assert content(file) == TEXT + "# more\n"


async def test_what_somebody_else_changed_is_not_overwritten(file: Path) -> None:
    async with browser(desk(file)) as asking:
        tag = await tagged(asking)
        write(file, TEXT + "# theirs\n")
        answer = await edited(asking, "save", TEXT, tag)
        assert answer.status_code == 409
        assert "changed by somebody else" in answer.text
        write(file, "[")
        assert "not TOML" in (await asking.get("/config")).text
    assert content(file) == "["


async def test_what_stands_in_no_file_is_not_found() -> None:
    async with browser(Desk()) as asking:
        assert (await asking.get("/config")).status_code == 404
