import pytest

from hilum.imaging.window import Window
from hilum.imaging.wish import Viewport, Wish, parse, parse_thumbnail
from hilum.model.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", Wish()),
        ("accept=image/png", Wish()),
        ("window=40,400,LINEAR", Wish(window=Window(40, 400))),
        ("window=-600.5,1.5e3,sigmoid", Wish(window=Window(-600.5, 1500, "SIGMOID"))),
        ("window=1,.5,linear-exact", Wish(window=Window(1, 0.5, "LINEAR_EXACT"))),
        ("viewport=100,50", Wish(viewport=Viewport(100, 50))),
        ("viewport=9,8,7,6,5,4", Wish(viewport=Viewport(9, 8, 7, 6, 5, 4))),
        ("viewport=9,8,,,-5.5,-4", Wish(viewport=Viewport(9, 8, 0, 0, -5.5, -4))),
        ("quality=1", Wish(quality=1)),
        ("annotation=technique,patient", Wish(annotations=("patient", "technique"))),
        ("iccprofile=srgb", Wish(profile="srgb")),
    ],
)
def test_what_is_wished(text: str, wish: Wish) -> None:
    items = [tuple(each.split("=")) for each in text.split("&") if each]
    assert parse(items) == wish  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["1,2,3,4,5,6,7", "1.5,2", "1", "", "1,2,-1", "1,2,0,0,0", "1,2,1e400"]
)
def test_a_viewport_that_makes_no_sense(text: str) -> None:
    with pytest.raises(BadRequest, match="viewport"):
        parse([("viewport", text)])
    with pytest.raises(BadRequest, match="viewport"):
        parse_thumbnail([("viewport", text)])


def test_a_thumbnail_has_a_viewport_only() -> None:
    assert parse_thumbnail([("accept", "image/jpeg")]) is None
    assert parse_thumbnail([("viewport", "5,6")]) == Viewport(5, 6)
    with pytest.raises(BadRequest, match="quality"):
        parse_thumbnail([("quality", "5")])
