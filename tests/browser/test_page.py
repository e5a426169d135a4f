"""The study browser in a real browser, on an archive and on a PACS behind DIMSE.

Screenshots go to $SCREENSHOTS where that is set, else to pytest's temporary folder.
"""

import os
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import peers, samples
from tests.browser.chromium import Watched, chromium

BASE = "/hilum"  # below a path of its own, which is the harder case
FILES = ("CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "sample-pdf.dcm")
DROP = """async ([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  window.dispatchEvent(new DragEvent("dragenter", { dataTransfer: data, cancelable: true }));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
}"""
PAINTED = """() => [...document.querySelectorAll("main img")].some((image) => {
  if (!image.complete || image.naturalWidth < 32) return false;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const all = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let least = 255, most = 0;
  for (let at = 1; at < all.length; at += 4) {
    least = Math.min(least, all[at]); most = Math.max(most, all[at]);
  }
  return most - least > 60;
})"""
"""Whether a picture is shown that is not of one colour."""


@pytest.fixture(scope="module")
def paths() -> list[Path]:
    found = {path.name: path for path in (*samples.GOOD, *samples.DERIVED)}
    if not all(name in found for name in FILES):
        pytest.skip("the sample files are not here")
    return [found[name] for name in FILES]


@pytest.fixture(scope="module")
def house(
    paths: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[peers.Hilum, peers.Orthanc]]:
    folder = tmp_path_factory.mktemp("page")
    with peers.orthanc(folder / "orthanc") as orthanc:
        for path in paths:
            orthanc.ask("/instances", path.read_bytes())
        more = f'[mounts.PACS]\nbackend = "dimse"\naet = "{orthanc.aet}"\n'
        more += f'host = "{peers.HOST}"\nport = {orthanc.port}\n'
        config = peers.configuration(more=more, http=f'base_path = "{BASE}"')
        with peers.hilum(folder / "hilum", config) as broker:
            yield broker, orthanc


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as context:
        yield context


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    seen = Watched(browser.new_page())
    yield seen
    seen.page.close()
    assert seen.complaints == []


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def root(house: tuple[peers.Hilum, peers.Orthanc]) -> str:
    return house[0].dicomweb.removesuffix("/dicomweb")


def stored(page: Any, count: int) -> None:
    page.wait_for_selector("#uploads button:not([hidden])")
    assert f"{count} of {count} stored" in page.inner_text("#uploads")
    page.click("#uploads button")


def walk(page: Any, shots: Path, name: str) -> None:
    """Open a study, its first series and its first instance, by the keyboard."""
    page.wait_for_selector("tr[data-href] a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("a.card")
    page.wait_for_function(PAINTED)
    page.screenshot(path=shots / f"{name} study.png")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.split('/').length === 4")
    page.wait_for_selector("a.card")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stage img")
    page.wait_for_function(PAINTED)
    page.screenshot(path=shots / f"{name} instance.png")


def test_files_are_stored_found_and_looked_at(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, paths: list[Path], shots: Path
) -> None:
    page = watched.page
    page.goto(root(house))
    page.set_input_files("#files", paths)
    stored(page, len(paths))
    page.fill("input[name=PatientName]", "CompressedSamples^CT")
    page.press("input[name=PatientName]", "Enter")
    page.wait_for_function("() => document.querySelectorAll('tr[data-href]').length === 1")
    page.evaluate("() => document.activeElement.blur()")
    walk(page, shots, "archive")
    assert "Patient's Name" in page.inner_text("table.tags")
    page.fill("input[type=search]", "rows")
    assert page.locator("table.tags tbody tr:visible").count() == 1
    page.keyboard.press("Tab")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.hash.split('/').length === 4")


def test_a_film_has_frames_to_go_through(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, paths: list[Path]
) -> None:
    page = watched.page
    page.goto(root(house))
    page.set_input_files("#files", [each for each in paths if "ybr" in each.name])
    stored(page, 1)
    page.goto(f"{root(house)}/#/ARCHIVE?ModalitiesInStudy=US")
    page.wait_for_selector("tr[data-href] a")
    page.locator("tr[data-href] a").first.click()
    page.locator("a.card").first.click()
    page.wait_for_function("() => location.hash.split('/').length === 4")
    page.locator("a.card").first.click()
    page.wait_for_selector("#frame")
    page.wait_for_function(PAINTED)
    first = page.locator(".stage img").get_attribute("src")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "first => document.querySelector('.stage img').getAttribute('src') !== first", arg=first
    )
    assert page.inner_text("output").startswith("2 /")


def test_a_pacs_behind_dimse_looks_the_same(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(f"{root(house)}/#/PACS?PatientName=CompressedSamples%5EMR")
    walk(page, shots, "pacs")


def test_a_file_that_is_dropped_is_stored_and_what_is_none_is_told(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, paths: list[Path]
) -> None:
    page = watched.page
    page.goto(root(house))
    page.wait_for_selector("form.search")
    page.evaluate(DROP, ["ct.dcm", b64encode(paths[0].read_bytes()).decode()])
    stored(page, 1)
    page.evaluate(DROP, ["letter.txt", b64encode(b"Dear Sir, " * 100).decode()])
    page.wait_for_selector("#uploads button:not([hidden])")
    assert "0 of 1 stored, 1 not" in page.inner_text("#uploads")
    # the browser itself complains of every answer of 400 and more
    watched.complaints[:] = [each for each in watched.complaints if "409" not in each]


def test_a_study_is_downloaded_as_a_zip(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    page.goto(f"{root(house)}/#/PACS?PatientName=CompressedSamples%5EMR")
    page.wait_for_selector("tr[data-href] a")
    page.locator("tr[data-href] a").first.click()
    page.wait_for_selector("a.card")
    page.wait_for_function(PAINTED)
    with page.expect_download() as download:
        page.click("text=Download as zip")
    download.value.save_as(tmp_path / "study.zip")
    with zipfile.ZipFile(tmp_path / "study.zip") as archive:
        assert archive.testzip() is None
        assert [name.rpartition(".")[2] for name in archive.namelist()] == ["dcm"]


def test_it_fits_a_phone(
    house: tuple[peers.Hilum, peers.Orthanc], watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{root(house)}/#/PACS")
    page.wait_for_selector("tr[data-href] a")
    page.screenshot(path=shots / "phone.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
