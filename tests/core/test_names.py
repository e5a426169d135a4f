# ruff: noqa: RUF001 - names in many scripts
import pytest

from hilum.core import names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller", "MULLER"), ("Łukasz", "lukasz"), ("Straße", "STRASSE"), ("Ångström", "angstrom"),
        ("Søren", "soren"), ("Þór", "thor"), ("Đặng", "dang"), ("İnci", "inci"), ("Ísak", "isak"),
        ("ＹＡＭＡＤＡ", "yamada"), ("ﾔﾏﾀﾞ", "ヤマダ"), ("Ёлкин", "елкин"), ("Άννα", "αννα"),
        ("O’Neil", "o'neil"), ("e\u0301", "é"), ("Ǆ", "dž"), ("ΣΑΣ", "σας"),
    ],
)  # fmt: skip
def test_the_same_name_folds_to_the_same_text(one: str, other: str) -> None:
    assert names.folded(one) == names.folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("が", "か"),
        ("ﾀﾞ", "タ"),
        ("मुकेश", "मकश"),
        ("ดำ", "ดา"),
        ("山", "川"),
        ("a", "b"),
        ("क्ष", "कष"),
    ],
)
def test_other_names_stay_apart(one: str, other: str) -> None:
    assert names.folded(one) != names.folded(other)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Doe^Jane", ("doe^jane", "", "")),
        ("DOE^^^", ("doe", "", "")),
        (" Doe ^ Jane ^^ ", ("doe^jane", "", "")),
        ("A^B=山田^太郎=やまだ", ("a^b", "山田^太郎", "やまだ")),
        ("=山田", ("", "山田", "")),
        ("", ("", "", "")),
        ("a=b=c=d", ("a", "b", "c")),
    ],
)
def test_groups_are_cut_and_trimmed(text: str, groups: names.Groups) -> None:
    assert names.groups(text) == groups


def test_words_are_what_people_type() -> None:
    assert names.words("O'Neil-Smith^Mary Ann, Dr*") == ["o", "neil", "smith", "mary", "ann", "dr"]


def test_a_pattern_keeps_its_wild_cards() -> None:
    assert names.folded("MÜ*L?R") == "mu*l?r"
