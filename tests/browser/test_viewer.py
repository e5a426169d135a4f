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
from tests import peers, samples
from tests.browser.chromium import Watched, chromium
from tests.browser.package import FILE

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ARCHIVE, PACS, CLOUD = MOUNTS = ("ARCHIVE", "PACS", "CLOUD")

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
"""For each viewport: the standard deviation of its green values, and how many pixels have a colour."""
NOT_BLANK = 5  # standard deviation from which on something was painted


@dataclass(frozen=True)
class Study:
    """What is opened.

    Attributes:
        files: its sample files.
        thumbnails: how many series show one.
    """

    files: tuple[str, ...]
    thumbnails: int = 1

    @property
    def paths(self) -> list[Path]:
        """The files, where they are here."""
        found = {path.name: path for path in (*samples.GOOD, *samples.DERIVED)}
        missing = [name for name in self.files if name not in found]
        if missing:
            pytest.skip(f"the sample file {missing[0]} is not here")
        return [found[name] for name in self.files]

    @property
    def uid(self) -> str:
        """Its Study Instance UID."""
        return str(pydicom.dcmread(self.paths[0], stop_before_pixels=True).StudyInstanceUID)


IMAGES = {
    "CT": Study(("CT_small.dcm",)),
    "CT JPEG 2000": Study(("693_J2KI.dcm",)),
    "CT enhanced, RLE": Study(("CT0012.not_fragmented_bot_rle.dcm",)),
    "MR": Study(("MR_small.dcm",)),
    "MR JPEG-LS": Study(("MR2_JLSL.dcm",)),
    "US film, JPEG": Study(("examples_ybr_color.dcm",)),
    "CR JPEG lossless": Study(("RG3_JPLL.dcm",)),
    "DX": Study(("dx_image.dcm",)),
}
SEG = Study(("dcmqi_23x38x3_mf.dcm", "dcmqi_23x38x3_label.seg.dcm"))
PDF = Study(("sample-pdf.dcm",))
EVERYWHERE = ("CT", "MR JPEG-LS", "US film, JPEG", "DX")
SHOWN = [(ARCHIVE, name) for name in IMAGES] + [
    (mount, name) for mount in (PACS, CLOUD) for name in EVERYWHERE
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker with the viewer and three mounts; an Orthanc is behind two of them."""
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
        config.write_text(peers.configuration(more=more))
        done = peers.command("viewer", "install", "--from", FILE, "--config", config)
        assert done.returncode == 0, done.stdout
        with peers.hilum(folder / "hilum") as broker:
            for study in (*IMAGES.values(), SEG, PDF):
                _fill(broker, orthanc, study)
            yield broker


def _fill(broker: peers.Hilum, orthanc: peers.Orthanc, study: Study) -> None:
    """Put a study into the archive and into Orthanc, as far as its files are here."""
    try:
        paths = study.paths
    except pytest.skip.Exception:
        return
    for path in paths:
        data = path.read_bytes()
        orthanc.ask("/instances", data)
        url = f"{broker.dicomweb}/studies"
        answer = httpx.post(
            url, content=data, headers={"Content-Type": "application/dicom"}, trust_env=False
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as context:
        # the banner that says what OHIF may be used for, as after a click on "Confirm and hide"
        context.add_init_script(
            "sessionStorage.setItem('investigationalUseDialog', 'hidden')"
        )
        yield context


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
