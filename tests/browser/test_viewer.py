"""OHIF on our mounts, in a real browser: an archive, a PACS behind DIMSE, an origin server.

Screenshots go to $SCREENSHOTS where that is set, else to pytest's temporary folder.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import generate_uid
from tests import peers, samples
from tests.browser.chromium import Watched, chromium
from tests.browser.package import FILE

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of what samples hold

ARCHIVE, PACS, CLOUD = "ARCHIVE", "PACS", "CLOUD"
BASE = "/hilum"  # below a path of its own, which is the harder case
AT_REST = """try {
  sessionStorage.setItem('investigationalUseDialog', 'hidden');
  localStorage.setItem('shownTours', '["basicViewerTour"]');
} catch {}"""
"""As after a click on the banner that says what OHIF is for, and the end of its tour."""
PAINTED = """() => [...document.querySelectorAll('canvas.cornerstone-canvas')].map(canvas => {
  if (!canvas.width || !canvas.height) return [0, 0];
  const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, squares = 0, coloured = 0, count = all.length / 4;
  for (let at = 0; at < all.length; at += 4) {
    const [r, g, b] = [all[at], all[at + 1], all[at + 2]];
    sum += g; squares += g * g;
    if (Math.max(r, g, b) - Math.min(r, g, b) > 40) coloured++;
  }
  return [Math.sqrt(squares / count - (sum / count) ** 2), coloured];
})"""
"""Of each viewport: the standard deviation of green, and how many pixels have a colour."""
NOT_BLANK = f"() => ({PAINTED})().some(([deviation]) => deviation > 10)"
COLOURED = f"() => ({PAINTED})().some(([, coloured]) => coloured > 300)"
THUMBNAIL = "() => [...document.images].some(each => each.naturalWidth > 100)"


@dataclass(frozen=True)
class Study:
    """What is opened: some sample files that are one study."""

    files: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """The files, as far as they are here."""
        found = {path.name: path for path in (*samples.GOOD, *samples.DERIVED)}
        return [found[name] for name in self.files if name in found]

    @property
    def uid(self) -> str:
        """Its Study Instance UID."""
        if len(self.paths) < len(self.files):
            pytest.skip("its sample files are not here")
        return str(pydicom.dcmread(self.paths[0], stop_before_pixels=True).StudyInstanceUID)


FILM = "US, film, JPEG"
IMAGES = {
    "CT": Study(("CT_small.dcm",)),
    "CT, JPEG 2000": Study(("693_J2KI.dcm",)),
    "CT, enhanced, RLE": Study(("CT0012.not_fragmented_bot_rle.dcm",)),
    "MR, JPEG-LS": Study(("MR2_JLSL.dcm",)),
    FILM: Study(("examples_ybr_color.dcm",)),
    "CR, JPEG lossless": Study(("RG3_JPLL.dcm",)),
    "DX": Study(("dx_image.dcm",)),
    "MG, sigmoid window": Study(("GH133.dcm",)),
}
SEG = Study(
    (
        *("dcmqi_23x38x3_IMG0001.dcm", "dcmqi_23x38x3_IMG0002.dcm", "dcmqi_23x38x3_IMG0003.dcm"),
        "dcmqi_23x38x3_label.seg.dcm",
    )
)
PDF = Study(("sample-pdf.dcm",))
SHOWN = [(ARCHIVE, name) for name in IMAGES]
SHOWN += [(PACS, "CT"), (PACS, FILM), (PACS, "DX"), (CLOUD, "CT"), (CLOUD, FILM)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as context:
        context.add_init_script(AT_REST)
        yield context


@pytest.fixture(scope="module")
def house(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker with the viewer and three mounts; an Orthanc is behind two of them.

    It is not started where there is no browser.
    """
    assert browser
    if not FILE.exists():
        pytest.skip("OHIF's package is not here: python -m tests.browser.package")
    folder = tmp_path_factory.mktemp("house")
    with peers.orthanc(folder / "orthanc") as orthanc:
        more = f'[mounts.{PACS}]\nbackend = "dimse"\naet = "{orthanc.aet}"\n'
        more += f'host = "{peers.HOST}"\nport = {orthanc.port}\n'
        if orthanc.dicomweb is not None:
            more += f'[mounts.{CLOUD}]\nbackend = "dicomweb"\nurl = "{orthanc.dicomweb}"\n'
        (folder / "hilum").mkdir()
        config = folder / "hilum" / "config.toml"
        config.write_text(peers.configuration(more=more, http=f'base_path = "{BASE}"'))
        done = peers.command("viewer", "install", "--from", FILE, "--config", config)
        assert done.returncode == 0, done.stdout
        with peers.hilum(folder / "hilum") as broker:
            for study in (*IMAGES.values(), SEG, PDF):
                _fill(broker, orthanc, study)
            yield broker


def _fill(broker: peers.Hilum, orthanc: peers.Orthanc, study: Study) -> None:
    """Put a study into the archive and into Orthanc."""
    for path in study.paths:
        data = path.read_bytes()
        orthanc.ask("/instances", data)
        headers = {"Content-Type": "application/dicom"}
        answer = httpx.post(
            f"{broker.dicomweb}/studies", content=data, headers=headers, trust_env=False
        )
        assert answer.status_code == 200, answer.text


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


def at(broker: peers.Hilum, mount: str, study: Study) -> str:
    """The URL at which the viewer shows a study."""
    return f"{broker.root}/viewer/viewer/{mount}?StudyInstanceUIDs={study.uid}"


@pytest.mark.parametrize(("mount", "name"), SHOWN, ids=[": ".join(each) for each in SHOWN])
def test_an_image_is_painted_and_has_a_thumbnail(
    mount: str, name: str, house: peers.Hilum, watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(at(house, mount, IMAGES[name]))
    page.wait_for_function(NOT_BLANK)
    page.wait_for_function(THUMBNAIL)
    page.screenshot(path=shots / f"{mount} {name}.png")
    if name == FILM:
        _runs(page)
    assert watched.complaints == []


def _runs(page: Any) -> None:
    """See that the wheel shows another frame of a film."""
    picture = page.locator("canvas.cornerstone-canvas").first
    first = picture.screenshot()
    picture.hover()
    page.mouse.wheel(0, 400)
    page.wait_for_timeout(500)
    assert picture.screenshot() != first


@pytest.mark.parametrize("mount", [ARCHIVE, PACS])
def test_a_segmentation_is_painted_over_its_images(
    mount: str, house: peers.Hilum, watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(at(house, mount, SEG))
    page.get_by_text("SEG", exact=True).last.dblclick()
    page.wait_for_function(COLOURED)
    page.screenshot(path=shots / f"{mount} SEG.png")
    assert watched.complaints == []


@pytest.mark.parametrize("mount", [ARCHIVE, PACS])
def test_an_encapsulated_pdf_is_shown(
    mount: str, house: peers.Hilum, watched: Watched, shots: Path
) -> None:
    page = watched.page
    with page.expect_response("**/rendered*") as answered:
        page.goto(at(house, mount, PDF))
    assert answered.value.headers["content-type"] == "application/pdf"
    page.locator("object[type='application/pdf']").wait_for()
    page.wait_for_timeout(1000)  # Chromium's own PDF viewer says nothing when it is done
    page.screenshot(path=shots / f"{mount} PDF.png")
    assert watched.complaints == []


@pytest.mark.parametrize("mount", [PACS, CLOUD])
def test_the_study_list_of_a_mount_is_found_from_that_of_the_default_one(
    mount: str, house: peers.Hilum, watched: Watched, shots: Path
) -> None:
    page = watched.page
    page.goto(f"{house.root}/viewer")
    page.get_by_text("CompressedSamples").first.wait_for()
    page.get_by_role("button", name="Open settings").click()
    page.get_by_text(f"\u2713 {ARCHIVE}").wait_for()
    with page.expect_response(f"**/aets/{mount}/studies?*") as answered:
        page.get_by_text(f"{mount} (").click()
    assert answered.value.ok
    page.get_by_text("CompressedSamples").first.wait_for()
    page.get_by_role("button", name="Open settings").click()
    page.get_by_text(f"\u2713 {mount}").wait_for()
    page.screenshot(path=shots / f"{mount} list.png")
    assert watched.complaints == []


def test_a_file_is_stored_from_the_list(
    house: peers.Hilum, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    dataset = pydicom.dcmread(IMAGES["CT"].paths[0])
    dataset.PatientName, dataset.PatientID = "Brought^By Hand", "BY HAND"
    dataset.StudyInstanceUID = generate_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(tmp_path / "brought.dcm")
    page.goto(f"{house.root}/viewer")
    page.get_by_text("Upload").click()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.locator("input[type=file]").first.set_input_files(tmp_path / "brought.dcm")
    assert answered.value.status == 200
    found = httpx.get(f"{house.dicomweb}/studies?PatientID=BY HAND", trust_env=False).json()
    assert len(found) == 1
    assert watched.complaints == []


def test_the_study_browser_leads_to_the_viewer(house: peers.Hilum, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{house.root}/#/{PACS}/{IMAGES['CT'].uid}")
    page.get_by_text("Open in viewer").click()
    page.wait_for_function(NOT_BLANK)
    assert f"/viewer/viewer/{PACS}?" in page.url
    assert watched.complaints == []
