import pytest

from hilum.cli.scu.table import show, text


@pytest.mark.parametrize(
    ("attribute", "shown"),
    [
        ({}, ""),
        ({"vr": "LO"}, ""),
        ({"vr": "CS", "Value": ["CT", "MR"]}, "CT\\MR"),
        ({"vr": "IS", "Value": [3, None]}, "3\\"),
        ({"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山"}]}, "A^B=山"),
        ({"vr": "SQ", "Value": [{}, {}]}, "(2 items)"),
        ({"vr": "SQ", "Value": [{}]}, "(1 item)"),
        ({"vr": "SQ"}, "(0 items)"),
        ({"vr": "OB", "InlineBinary": "AAAA"}, "(binary)"),
        ({"vr": "LO", "Value": ["a\x1b[31mb"]}, "a\ufffd[31mb"),
    ],
)
def test_a_value_is_shown_for_people(attribute: dict[str, object], shown: str) -> None:
    assert text(attribute) == shown


def test_columns_have_names_and_empty_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    uid = "1.2.840.113619.2.1.1.2703161601.2.1.2.1234567890.12345678901234"
    answers = [
        {"0020000D": {"vr": "UI", "Value": [uid]}},
        {"00091001": {"vr": "LO", "Value": ["x"]}},
    ]
    show(answers, [0x0020000D, 0x00100010, 0x00091001])
    out = capsys.readouterr().out
    assert "StudyInstanceUID" in out
    assert "00091001" in out
    assert "PatientName" not in out
    assert uid in out
