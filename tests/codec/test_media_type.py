import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.codec.media_type import (
    DICOM_JSON,
    JSON,
    MAX_RANGES,
    XML_PARTS,
    accepted,
    choose,
    includes,
    parse,
    rules_out,
)


@pytest.mark.parametrize(
    "text",
    [
        'multipart/related; type="application/dicom"; boundary="a b"',
        'Multipart/Related;TYPE=Application/Dicom;Boundary="a b"',
        "multipart/related; type='application/dicom'; boundary=a b",
        'multipart/related ; boundary = "a b" ; type = application/dicom',
        'multipart/related; type=application/dicom; boundary="a b',
    ],
)
def test_a_content_type_is_read_however_it_is_quoted(text: str) -> None:
    kind = parse(text)
    assert kind.kind == "multipart/related"
    assert kind.related == "application/dicom"
    assert kind.parameters["boundary"] == "a b"


def test_quotes_keep_commas_semicolons_and_escapes() -> None:
    kind = parse(r'multipart/related; boundary="a,b;c\"d\\e"; type=x/y')
    assert kind.parameters == {"boundary": r'a,b;c"d\e', "type": "x/y"}


def test_nothing_is_no_type() -> None:
    assert parse("").kind == ""
    assert parse("rubbish").kind == ""


def test_the_best_comes_first_and_ties_keep_their_order() -> None:
    ranges = accepted("a/a;q=0.5, b/b, c/c;q=0, d/d;q=1.0, rubbish, e/e;q=x, */*;q=0.1")
    assert [each.kind for each in ranges] == ["b/b", "d/d", "e/e", "a/a", "*/*", "c/c"]
    assert "q" not in ranges[-1].parameters


def test_a_list_that_mixes_types() -> None:
    ranges = accepted(
        'application/dicom+json, multipart/related; type="application/dicom"; transfer-syntax=*,'
        " multipart/related;type=image/jls;transfer-syntax=1.2.840.10008.1.2.4.80;q=.9"
    )
    assert [(each.kind, each.related, each.transfer_syntax) for each in ranges] == [
        ("application/dicom+json", "", ""),
        ("multipart/related", "application/dicom", "*"),
        ("multipart/related", "image/jls", "1.2.840.10008.1.2.4.80"),
    ]


def test_a_blank_that_was_a_plus_is_one_again() -> None:
    assert accepted("application/dicom json")[0].kind == "application/dicom+json"


def test_choosing_among_offers() -> None:
    offers = (DICOM_JSON, JSON)
    assert choose(accepted("*/*"), offers) == DICOM_JSON
    assert choose(accepted("application/*"), offers) == DICOM_JSON
    assert choose(accepted("text/html, application/json"), offers) == JSON
    assert choose(accepted("application/json;q=.2, application/dicom+json"), offers) == DICOM_JSON
    assert choose(accepted('multipart/related; type="application/dicom+xml"'), offers) is None
    assert choose([], offers) is None


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/json;q=0.1, */*", DICOM_JSON),
        ("application/dicom+json;q=0.1, */*", JSON),
        ("application/dicom+json;q=0, */*", JSON),
        ("application/*;q=0, */*", XML_PARTS),
        ("application/*;q=0.1, multipart/*", XML_PARTS),
        ("multipart/related", XML_PARTS),
        ("multipart/related; type=application/dicom+xml", XML_PARTS),
        ("multipart/related; type='application/*'", XML_PARTS),
        ('multipart/related; type="application/dicom", application/json;q=.1', JSON),
        ('multipart/related; type="application/dicom+xml";q=0, multipart/*', None),
        ("*/*;q=0", None),
        ('multipart/related; type="application/octet-stream"', None),
    ],
)
def test_the_most_specific_range_counts(accept: str, chosen: str | None) -> None:
    offers = (DICOM_JSON, JSON, XML_PARTS)
    assert choose(accepted(accept), offers) == chosen


@pytest.mark.parametrize(
    ("accept", "offer", "syntax", "out"),
    [
        ("", DICOM_JSON, "", False),
        ("*/*", DICOM_JSON, "", False),
        ("application/dicom+json;q=0, */*", DICOM_JSON, "", True),
        ("application/dicom+json;q=0.000, */*", DICOM_JSON, "", True),
        ("application/dicom+json;q=0, */*", JSON, "", False),
        ("application/dicom;q=0", "application/dicom", "1.2", True),
        ("application/dicom;transfer-syntax=1.2;q=0, */*", "application/dicom", "1.2", True),
        ("application/dicom;transfer-syntax=1.2;q=0, */*", "application/dicom", "1.3", False),
        ("*/*;q=0, application/dicom", "application/dicom", "", False),
    ],
)
def test_what_is_ruled_out(accept: str, offer: str, syntax: str, *, out: bool) -> None:
    assert rules_out(accepted(accept), offer, syntax) is out


def test_rle_has_an_old_name() -> None:
    assert parse("image/x-dicom-rle").kind == "image/dicom-rle"
    assert parse('multipart/related; type="image/x-dicom-rle"').related == "image/dicom-rle"


def test_ranges() -> None:
    assert includes("image/*", "image/jpeg")
    assert not includes("image/*", "imagery/jpeg")
    assert includes("*", "a/b")


def test_who_lists_without_end_is_not_read_to_the_end() -> None:
    assert len(accepted(",".join(f"a/b{number}" for number in range(1000)))) == MAX_RANGES


@given(st.text(st.sampled_from("ab/*;,=\"\\ q0.1+'type") | st.characters(), max_size=60))
def test_nothing_that_a_client_says_does_harm(text: str) -> None:
    offers = (DICOM_JSON, JSON, XML_PARTS)
    assert choose(accepted(text), offers) in {None, *offers}
    parse(text)
