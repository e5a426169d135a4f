import pytest
from tests.imaging.headers import values

from hilum.imaging.kinds import chosen, kinds
from hilum.imaging.picture import STILL
from hilum.imaging.pixels import Pixels
from hilum.model.errors import NotAcceptable


def test_as_what_each_can_be_rendered() -> None:
    nothing = values(Rows=1)
    assert kinds("1.2", Pixels("1.2.840.10008.1.2.1", 1, 1), nothing) == STILL
    assert kinds("1.2", Pixels("1.2.840.10008.1.2.4.102", 1, 1), nothing) == ("video/mp4",)
    assert kinds("1.2", None, nothing) == ()
    pdf = values(EncapsulatedDocument=b"%PDF")
    assert kinds("1.2.840.10008.5.1.4.1.1.104.1", None, pdf) == ("application/pdf",)
    assert kinds("1.2.840.10008.5.1.4.1.1.104.1", None, nothing) == ()
    report = values(ValueType="CONTAINER", ContentSequence=[])
    assert kinds("1.2", None, report) == ("text/html", "text/plain")


def test_the_best_that_is_accepted() -> None:
    assert chosen(("image/gif", "*/*"), STILL) == "image/gif"
    assert chosen(("text/*", "image/*"), STILL) == "image/jpeg"
    with pytest.raises(NotAcceptable, match="image/png"):
        chosen(("text/html",), STILL)
    with pytest.raises(NotAcceptable):
        chosen(("*/*",), ())
