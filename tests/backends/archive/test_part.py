from hilum.backends.archive.part import Part


def test_no_two_parts_take_the_same_number() -> None:
    parts = [Part(number, 3) for number in range(3)]
    taken = [{each.next(number) for number in range(100, 160)} for each in parts]
    assert not taken[0] & taken[1]
    assert not taken[1] & taken[2]
    assert not taken[0] & taken[2]


def test_a_number_is_the_first_from_there_on() -> None:
    assert [Part(1, 3).next(number) for number in (6, 7, 8)] == [7, 7, 10]


def test_alone_every_number_is_taken() -> None:
    assert Part().is_all
    assert [Part().next(number) for number in (6, 7)] == [6, 7]
