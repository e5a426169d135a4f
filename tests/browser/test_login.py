"""Logging in with a real browser, and what a session then shows: the study browser, and OHIF.

Screenshots go to $SCREENSHOTS where that is set, else to pytest's temporary folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import peers
from tests.browser.chromium import Watched, chromium
from tests.browser.package import FILE
from tests.browser.test_page import PAINTED
from tests.browser.test_viewer import AT_REST, NOT_BLANK, Study
from tests.e2e.test_issued import token

BASE = "/hilum"
CT = Study(("CT_small.dcm",))
AUTH = "[auth]\nenabled = true\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as context:
        context.add_init_script(AT_REST)
        yield context


@pytest.fixture(scope="module")
def shown(
    browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[peers.Hilum, str]]:
    """A broker with logins, an image, and the viewer where its package is here; and a token."""
    assert browser
    assert CT.uid
    folder = tmp_path_factory.mktemp("login") / "hilum"
    config = peers.configuration(more=AUTH, http=f'base_path = "{BASE}"')
    if FILE.exists():
        folder.mkdir()
        (folder / "config.toml").write_text(config)
        done = peers.command(
            "viewer", "install", "--from", FILE, "--config", folder / "config.toml"
        )
        assert done.returncode == 0, done.stdout
    with peers.hilum(folder, config) as broker:
        made = token(broker.config, "create", "ann", "--may", "echo,query,retrieve,store")
        headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/dicom"}
        (path,) = CT.paths
        stored = httpx.post(
            f"{broker.dicomweb}/studies",
            content=path.read_bytes(),
            headers=headers,
            trust_env=False,
        )
        assert stored.status_code == 200, stored.text
        yield broker, made["token"]


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    browser.clear_cookies()
    page = Watched(browser.new_page())
    try:
        yield page
    finally:
        page.page.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def root(broker: peers.Hilum) -> str:
    return broker.dicomweb.removesuffix("/dicomweb")


def log_in(page: Any, text: str) -> None:
    """By the keyboard alone: the field has the focus."""
    page.wait_for_selector("#token:focus")
    page.keyboard.insert_text(text)
    page.keyboard.press("Enter")


def test_a_token_opens_the_study_browser_until_the_browser_logs_out(
    shown: tuple[peers.Hilum, str], watched: Watched, shots: Path
) -> None:
    broker, secret = shown
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 800})
    there = f"{root(broker)}/#/ARCHIVE?Modality=CT"
    page.goto(there)
    log_in(page, "hilum_nonsense")
    page.get_by_text("unknown, has expired or was revoked").wait_for()
    page.screenshot(path=shots / "login.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    watched.complaints.clear()  # of the two 401
    log_in(page, secret)
    page.wait_for_selector("tr[data-href] a")
    assert page.url == there
    assert page.evaluate("() => document.cookie") == ""
    page.locator("tr[data-href] a").first.click()
    page.wait_for_selector("a.card")
    page.wait_for_function(PAINTED)
    with page.expect_download() as download:
        page.click("text=Download as zip")
    assert Path(download.value.path()).stat().st_size > 30_000
    page.set_input_files("#files", CT.paths)
    page.wait_for_selector("#uploads button:not([hidden])")
    assert "1 of 1 stored" in page.inner_text("#uploads")
    assert watched.complaints == []
    page.click("#uploads button")
    page.click("text=Log out ann")
    page.click("button:has-text('Log out')")
    page.wait_for_selector("#token")
    page.goto(there)
    page.wait_for_selector("#token:focus")
    assert page.url.startswith(f"{root(broker)}/login?next=")


def test_the_viewer_leads_to_the_login_and_shows_what_the_session_may_see(
    shown: tuple[peers.Hilum, str], watched: Watched, shots: Path
) -> None:
    broker, secret = shown
    if not FILE.exists():
        pytest.skip("OHIF's package is not here: python -m tests.browser.package")
    page = watched.page
    there = f"{root(broker)}/viewer/viewer/ARCHIVE?StudyInstanceUIDs={CT.uid}"
    page.goto(there)
    page.wait_for_selector("#token")
    watched.complaints.clear()
    log_in(page, secret)
    page.wait_for_function(NOT_BLANK)
    assert page.url == there
    page.screenshot(path=shots / "login viewer.png")
    assert watched.complaints == []
