import struct

import pytest

from hilum.codec import value


def test_numbers_of_53_bits_stay_numbers():
    safe = 2**53 - 1
    data = struct.pack("<4q", safe, -safe, safe + 1, -safe - 1)
    assert value.numbers("SV", data, 0, 32, "<") == [safe, -safe, str(safe + 1), str(-safe - 1)]
    assert value.integers(f"{safe}") == [safe]
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        value.integers(f"{safe + 1}")


def test_names_keep_three_groups_at_most():
    assert value.names("A=B=C=D") == [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]
    assert value.names("=") == [None]


def test_texts_lose_their_padding_only():
    assert value.codes(" A\\ \\B ") == ["A", None, "B"]
    assert value.strings(" A \\ \\B") == [" A", None, "B"]
    assert value.one_string(" A\\B") == [" A\\B"]
