from hilum.net.pieces import Pieces, flat


def test_pieces_are_as_long_as_all_of_them_together() -> None:
    assert len(Pieces([b"ab", memoryview(b"cde")])) == 5
    assert len(Pieces([])) == 0


def test_the_pieces_of_several() -> None:
    assert [*flat([b"a", Pieces([b"b", b"c"]), Pieces([]), b"d"])] == [b"a", b"b", b"c", b"d"]
