"""The pages of administrators in a real browser: by the keyboard, on a phone, light and dark.

Screenshots go to $SCREENSHOTS where that is set, else to pytest's temporary folder.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made as it is imported
from tests import peers
from tests.browser.chromium import Watched, chromium

BASE = "/hilum/admin"
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 800}
FITS = "() => document.documentElement.scrollWidth <= innerWidth"
CONTRAST = """() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
      .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (/^rgb\\(/.test(colour)) return colour;
    }
    return getComputedStyle(document.documentElement).colorScheme.includes("dark") &&
      matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("main *, header *, footer")]
    .filter((each) => [...each.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((each) => each.offsetWidth && !/away|skip/.test(each.className))
    .map((each) => {
      const [a, b] = [getComputedStyle(each).color, behind(each)].map(luminance);
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.outerHTML.slice(0, 80)];
    }).filter(([ratio]) => ratio < 4.5);
}"""
"""Texts that are hard to read (WCAG 2.2, 1.4.3)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as context:
        yield context


@pytest.fixture(scope="module")
def broker(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """One with an archive, a PACS and a peer that are down, and a scanner that only echoes."""
    assert browser
    port = peers.free_port()
    with peers.pynetdicom({}, [(Verification, [ImplicitVRLittleEndian])], aet="CT1") as scanner:
        yield from _broker(tmp_path_factory.mktemp("admin") / "hilum", port, scanner)


def _broker(folder: Path, port: int, scanner: int) -> Iterator[peers.Hilum]:
    more = (
        f'[admin]\nenabled = true\nport = {peers.free_port()}\nbase_path = "{BASE}"\n'
        f'# A PACS that is switched off.\n[mounts.PACS]\nbackend = "dimse"\naet = "PACS"\n'
        f'host = "{peers.HOST}"\nport = {port}\ncache = {{ max_size = "20 GB", max_age = "7d" }}\n'
    )
    text = peers.configuration(peers={"VIEWER": port, "CT1": scanner}, more=more)
    with peers.hilum(folder, text) as running:
        yield running


@pytest.fixture(scope="module")
def root(broker: peers.Hilum) -> str:
    found = re.search(r"^  Admin +(http\S+)$", broker.said, re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
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


def look(page: Any, shots: Path, name: str) -> None:
    """It can be read, light and dark, and fits a phone; and a picture of each."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for kind, size in (("wide", WIDE), ("phone", PHONE)):
            page.set_viewport_size(size)
            assert page.evaluate(FITS), f"{name} is wider than a {kind}"
            page.screenshot(path=shots / f"admin {name} {scheme} {kind}.png", full_page=True)
        assert page.evaluate(CONTRAST) == [], f"{name}, {scheme}"
    page.set_viewport_size(WIDE)


def test_the_status_shows_health_and_the_echo_button_works_by_the_keyboard(
    root: str, watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(f"{root}/?pause=1")
    page.wait_for_selector("text=lives")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    page.get_by_label("Echo PACS").focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("does not live: no connection").wait_for()
    page.get_by_label("Echo ARCHIVE").click()
    page.get_by_role("status").get_by_text("it answered in").wait_for()
    assert "Paused." in page.inner_text("main")
    look(page, shots, "status")
    assert watched.complaints == []


def test_a_token_is_made_shown_once_and_revoked(root: str, watched: Watched, shots: Path) -> None:
    page = watched.page
    page.goto(f"{root}/tokens")
    page.get_by_label("Who gets it").fill("CT 1")
    page.get_by_label("store").check()
    page.get_by_label("every one").check()
    page.get_by_role("button", name="Issue token").click()
    page.wait_for_selector("code.secret")
    assert page.inner_text("code.secret").startswith("hilum_")
    look(page, shots, "tokens")
    page.goto(f"{root}/tokens")
    assert page.locator("code.secret").count() == 0
    page.get_by_label("Revoke the token of CT 1").click()
    page.get_by_role("status").get_by_text("is revoked").wait_for()
    page.click("nav >> text=Queue")
    page.get_by_text("Nothing waits").wait_for()
    look(page, shots, "queue")
    assert watched.complaints == []


def test_the_configuration_is_edited_looked_at_saved_and_applied(
    root: str, watched: Watched, shots: Path, broker: peers.Hilum
) -> None:
    page = watched.page
    before = broker.config.read_text()
    page.goto(f"{root}/config")
    field = page.locator("textarea")
    assert field.input_value() == before
    look(page, shots, "configuration")
    field.fill(before.replace("max_size", "max_sise"))
    page.get_by_role("button", name="Check and preview").click()
    page.get_by_role("alert").get_by_text("did you mean mounts.PACS.cache.max_size").wait_for()
    watched.complaints.clear()  # of the 400
    changed = before.replace('"20 GB"', '"30 GB"')
    field.fill(changed.replace("[admin]", '[admin]\nmax_wait = "2h"'))
    page.get_by_role("button", name="Check and preview").click()
    page.get_by_text("needs a restart").wait_for()
    look(page, shots, "preview")
    assert broker.config.read_text() == before
    page.get_by_role("button", name="Save and apply").click()
    page.get_by_text("Applied: mounts.PACS.cache.max_size").wait_for()
    page.get_by_text("Needs a restart: admin.max_wait").wait_for()
    look(page, shots, "applied")
    assert "# A PACS that is switched off." in broker.config.read_text()
    assert broker.config.with_name("config.toml.bak").read_text() == before
    page.goto(f"{root}/")
    page.get_by_text("up to 30.0 GB").wait_for()
    assert watched.complaints == []


def test_a_request_is_explained_by_the_keyboard(root: str, watched: Watched, shots: Path) -> None:
    page = watched.page
    page.goto(f"{root}/explain")
    page.get_by_label("Its line").focus()
    page.keyboard.type("GET /aets/PACS/studies?PatientName=A*")
    page.keyboard.press("Tab")
    page.keyboard.type("VIEWER")
    page.keyboard.press("Enter")
    page.get_by_text("VIEWER may query on PACS").wait_for()
    assert "(0010,0010) PatientName = A*" in page.inner_text("pre.sent >> nth=0")
    look(page, shots, "explain")
    page.get_by_label("At the mount").select_option("ARCHIVE")
    page.get_by_label("Its keys").fill("PatientID=7")
    page.get_by_role("button", name="Explain").nth(1).click()
    page.get_by_text("answered from the index of the archive").wait_for()
    assert watched.complaints == []
    page.get_by_label("Its line").fill("GET /aets/PCAS")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("did you mean PACS?").wait_for()


def test_a_peer_is_probed_and_its_mount_goes_to_the_editor(
    root: str, watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(f"{root}/probe")
    page.get_by_label("Of the configuration").select_option("CT1")
    page.get_by_role("button", name="Probe").focus()
    page.keyboard.press("Enter")
    page.get_by_text("was probed in").wait_for()
    assert "C-ECHO" in page.inner_text("table")
    look(page, shots, "probe")
    page.get_by_role("button", name="Look at it in the configuration").click()
    page.get_by_text("mounts.CT1_2 (added)").wait_for()
    page.goto(f"{root}/probe")
    page.get_by_label("Of the configuration").select_option("VIEWER")
    page.get_by_role("button", name="Probe").click()
    page.get_by_text("was not probed to the end: no connection").wait_for()
    assert watched.complaints == []
