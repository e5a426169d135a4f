from typing import Any

import pytest

from hilum.frontends.dicomweb.wado_uri_query import parse
from hilum.imaging.window import Window
from hilum.imaging.wish import LONGEST, Viewport, Wish
from hilum.model.errors import BadRequest, NotAcceptable
from hilum.model.identity import Ref

LEAST = [("requestType", "WADO"), ("studyUID", "1.2"), ("seriesUID", "1.3"), ("objectUID", "1.4")]


def test_the_least_that_can_be_asked() -> None:
    query = parse(LEAST)
    assert query.ref == Ref(study="1.2", series="1.3", instance="1.4")
    assert (query.kinds, query.transfer_syntax, query.frame, query.region) == ((), "", None, None)
    assert (query.wish, query.is_rendered) == (Wish(), False)


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ({"rows": "100"}, Wish(viewport=Viewport(LONGEST, 100))),
        ({"columns": "100"}, Wish(viewport=Viewport(100, LONGEST))),
        ({"rows": "9000"}, Wish(viewport=Viewport(64 * 1024 * 1024 // 9000, 9000))),
        ({"rows": "10", "columns": "20"}, Wish(viewport=Viewport(20, 10))),
        ({"windowCenter": "-40.5", "windowWidth": "400"}, Wish(window=Window(-40.5, 400))),
        ({"imageQuality": "1"}, Wish(quality=1)),
        ({"annotation": "technique,patient"}, Wish(annotations=("patient", "technique"))),
        ({"frameNumber": "3"}, Wish()),
        ({"region": "0,0.25,.5,1"}, Wish()),
    ],
)
def test_how_it_is_to_look(said: dict[str, str], wish: Wish) -> None:
    query = parse([*LEAST, *said.items()])
    assert (query.wish, query.is_rendered) == (wish, True)


def test_frames_and_regions() -> None:
    query = parse([*LEAST, ("frameNumber", "3"), ("region", "0,0.25,.5,1")])
    assert (query.frame, query.region) == (2, (0, 0.25, 0.5, 1))


def test_media_types_may_be_several_and_have_weights() -> None:
    several = [("contentType", "image/png;q=0.5, image/jpeg"), ("contentType", "text/html")]
    assert [each.kind for each in parse([*LEAST, *several]).kinds] == [
        *("image/jpeg", "text/html", "image/png")
    ]


def test_what_is_not_known_or_empty_says_nothing() -> None:
    more = [("charset", "ISO-8859-1"), ("x", "y"), ("rows", ""), ("REQUESTTYPE", " ")]
    assert parse([*LEAST, *more]) == parse(LEAST)
    assert parse([(name.upper(), text) for name, text in LEAST]) == parse(LEAST)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"requestType": "WADOX"}, "requestType"),
        ({"requestType": ""}, "requestType"),
        ({"studyUID": ""}, "studyUID is missing"),
        ({"seriesUID": "abc"}, "seriesUID is no UID"),
        ({"objectUID": "1.2/3"}, "objectUID is no UID"),
        ({"transferSyntax": "rle"}, "transferSyntax is no UID"),
        ({"frameNumber": "0"}, "frameNumber"),
        ({"frameNumber": "1,2"}, "frameNumber"),
        ({"rows": "-1"}, "rows"),
        ({"columns": "1.5"}, "columns"),
        ({"rows": "99999"}, "viewport"),
        ({"region": "0,0,1"}, "region"),
        ({"region": "0,0,1,2"}, "region"),
        ({"region": "0.5,0,0.5,1"}, "region"),
        ({"region": "0,0,,1"}, "region"),
        ({"windowCenter": "40"}, "windowWidth"),
        ({"windowCenter": "40", "windowWidth": "x"}, "window"),
        ({"imageQuality": "101"}, "quality"),
        ({"annotation": "everything"}, "annotation"),
        ({"anonymize": "no"}, "anonymize"),
    ],
)
def test_what_is_wrong_is_named(said: dict[str, str], text: str) -> None:
    given: dict[str, Any] = {**dict(LEAST), **said}
    with pytest.raises(BadRequest, match=text) as raised:
        parse(given.items())
    assert not isinstance(raised.value, NotAcceptable)


def test_what_is_there_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="rows is there twice"):
        parse([*LEAST, ("rows", "1"), ("Rows", "2")])


@pytest.mark.parametrize("name", ["anonymize", "presentationUID", "presentationSeriesUID"])
def test_what_is_not_offered_is_said(name: str) -> None:
    with pytest.raises(NotAcceptable):
        parse([*LEAST, (name, "yes")])
