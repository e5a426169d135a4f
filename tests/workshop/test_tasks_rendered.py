from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tests import samples

from hilum.codec.part10 import read_head
from hilum.imaging.wish import Viewport, Wish
from hilum.model.errors import BadPixels, NotAcceptable
from hilum.workshop.tasks_rendered import rendered, thumbnail

CT = next(path for path in samples.GOOD if path.name == "CT_small.dcm")


def test_a_file_by_its_path() -> None:
    data = CT.read_bytes()
    head = read_head(data, complete=True)
    assert head is not None
    file = (str(CT), head.offset, len(data) - head.offset, head.transfer_syntax_uid)
    made = rendered(*file, head.sop_class_uid, None, Wish(), ("image/png",), 1)
    assert Image.open(BytesIO(made.body)).size == (128, 128)
    small = thumbnail(*file, None, Viewport(32, 32))
    assert Image.open(BytesIO(small.body)).size == (32, 32)
    with pytest.raises(NotAcceptable):
        rendered(*file[:2], 1000, file[3], head.sop_class_uid, None, Wish(), ("*/*",), 1)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(BadPixels):
        thumbnail(str(tmp_path / "empty"), 0, 0, "1.2.840.10008.1.2.1", None, Viewport(9, 9))
