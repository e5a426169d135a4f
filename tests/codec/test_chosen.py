import pytest

from hilum.codec.chosen import MAX_MATCHES, chosen
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref

STUDY, SERIES, MODALITY = (0x0020_000D,), (0x0020_000E,), (0x0008_0060,)


def test_all_of_a_study_or_series_goes_by_its_name() -> None:
    choice = chosen(Level.SERIES, Ref("1.2"), [])
    assert choice.is_whole
    assert (choice.query.match, choice.query.limit) == ({STUDY: "1.2"}, 1)
    choice = chosen(Level.IMAGE, Ref("1.2", "1.3"), [])
    assert choice.is_whole
    assert choice.query.match == {STUDY: "1.2", SERIES: "1.3"}


def test_what_matches_is_asked_for_and_one_more_than_a_send_takes() -> None:
    choice = chosen(Level.SERIES, Ref("1.2"), [("Modality", "CT")])
    assert not choice.is_whole
    assert choice.query.match == {STUDY: "1.2", MODALITY: "CT"}
    assert choice.query.limit == MAX_MATCHES + 1
    assert not choice.query.include
    assert not chosen(Level.STUDY, Ref(), [("StudyInstanceUID", "1.2")]).is_whole


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ([], "choose what to send"),
        ([("PatientName", "*")], "choose what to send"),
        ([("PatientID", " ")], "has no value"),
        ([("PatientID", "7"), ("limit", "1")], "limit has no meaning"),
        ([("PatientID", "7"), ("includefield", "all")], "includefield has no meaning"),
        ([("PatentID", "7")], "did you mean PatientID"),
    ],
)
def test_what_is_no_certain_choice_is_refused(parameters: list[tuple[str, str]], says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        chosen(Level.STUDY, Ref(), parameters)
