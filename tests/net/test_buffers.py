from hilum.net.buffers import LARGE, SMALL, Buffers


def put(buffers: Buffers, data: bytes) -> memoryview:
    """Read as much of it as there is room for."""
    room = buffers.room()
    size = min(len(room), len(data))
    room[:size] = data[:size]
    return buffers.filled(size)


def test_what_was_given_on_stays_as_it_is_while_others_are_read() -> None:
    buffers = Buffers()
    given = [put(buffers, bytes([n]) * 300_000) for n in range(40)]
    assert len(given[0]) == SMALL
    assert all(bytes(each) == bytes([n]) * len(each) for n, each in enumerate(given))
    assert all(each.readonly for each in given)


def test_a_buffer_that_nobody_has_any_more_is_used_again() -> None:
    buffers = Buffers()
    put(buffers, bytes(SMALL))
    owners = set()
    for _ in range(20):
        given = put(buffers, bytes(LARGE))
        assert len(given) == LARGE
        owners.add(id(given.obj))
        del given
    assert len(owners) == 1


def test_a_large_one_is_left_before_only_little_room_is_in_it() -> None:
    buffers = Buffers()
    put(buffers, bytes(SMALL))
    put(buffers, bytes(LARGE - 1))
    assert len(buffers.room()) == LARGE


def test_small_answers_take_no_large_one() -> None:
    buffers = Buffers()
    for _ in range(3):
        assert len(buffers.room()) == SMALL
        kept = put(buffers, b"an answer")
        buffers.release()
        assert kept == b"an answer"
