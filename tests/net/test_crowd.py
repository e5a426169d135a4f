from hilum.net.crowd import Crowd, Nobody, size


def crowds(workers: int) -> list[Crowd]:
    memory = bytearray(size(workers))
    return [Crowd(memory, number, workers) for number in range(workers)]


def test_each_sees_what_the_others_have() -> None:
    one, two, three = crowds(3)
    for crowd, address in ((one, "10.0.0.1"), (two, "10.0.0.1"), (two, "10.0.0.2")):
        crowd.enter(address)
    assert one.elsewhere("10.0.0.1") == (2, 1)
    assert two.elsewhere("10.0.0.1") == (1, 1)
    assert three.elsewhere("10.0.0.2") == (3, 1)
    two.leave("10.0.0.2")
    assert three.elsewhere("10.0.0.2") == (2, 0)


def test_who_has_more_connections_at_a_door_is_fuller() -> None:
    one, two = crowds(2)
    assert not one.is_fuller("http")
    one.connected("http", 1)
    assert (one.is_fuller("http"), two.is_fuller("http")) == (True, False)
    assert not one.is_fuller("dimse")
    two.connected("http", 2)
    assert (one.is_fuller("http"), two.is_fuller("http")) == (False, True)


def test_all_know_who_waits_for_arrivals() -> None:
    one, two = crowds(2)
    two.retrieves(3)
    assert [one.is_waiting(each) for each in (0, 1)] == [False, True]


def test_one_that_died_has_nothing() -> None:
    one, two = crowds(2)
    two.enter("10.0.0.1")
    two.retrieves(1)
    two.connected("dimse", 5)
    one.clear(1)
    assert one.elsewhere("10.0.0.1") == (0, 0)
    assert not one.is_waiting(1)
    assert not two.is_fuller("dimse")


def test_alone_there_are_no_others() -> None:
    crowd = Nobody()
    crowd.enter("10.0.0.1")
    assert crowd.elsewhere("10.0.0.1") == (0, 0)
    assert not crowd.is_fuller("dimse")
