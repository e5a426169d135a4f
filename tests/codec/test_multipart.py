import random

import pytest

from hilum.codec.multipart import (
    MAX_HEAD,
    Event,
    MultipartReader,
    PartData,
    PartEnded,
    PartStarted,
    closing,
    new_boundary,
    part_head,
)
from hilum.model.errors import BadRequest, TooLarge

BODY = b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n-\x00\r\n--b\r\n\r\n\r\n--b--\r\n"
PARTS = [({"content-type": "application/dicom"}, b"DICM\r\n-\x00"), ({}, b"")]


def parts_of(
    body: bytes, boundary: str = "b", step: int = 0, reader: MultipartReader | None = None
) -> list[tuple[dict[str, str], bytes]]:
    reader = reader or MultipartReader(boundary)
    parts: list[tuple[dict[str, str], bytearray]] = []
    opened = 0

    def take(event: Event) -> None:
        nonlocal opened
        match event:
            case PartStarted(headers):
                assert opened == 0
                opened = 1
                parts.append((dict(headers), bytearray()))
            case PartData(data):
                assert opened == 1
                assert data
                parts[-1][1].extend(data)
            case PartEnded():
                opened = 0

    for at in range(0, len(body), step or len(body)):
        for event in reader.feed(body[at : at + (step or len(body))]):
            take(event)
    reader.close()
    assert opened == 0
    return [(headers, bytes(data)) for headers, data in parts]


@pytest.mark.parametrize("step", [1, 2, 3, 7, len(BODY)])
def test_the_cuts_of_the_network_do_not_show(step: int) -> None:
    assert parts_of(BODY, step=step) == PARTS


def test_a_cut_off_body_is_refused() -> None:
    for end in range(len(BODY) - 3):
        reader = MultipartReader("b")
        list(reader.feed(BODY[:end]))
        with pytest.raises(BadRequest, match="closing delimiter"):
            reader.close()


def test_what_is_written_is_read_back() -> None:
    noise = random.Random(1)  # noqa: S311 - the same noise each time
    boundary = new_boundary()
    parts = [
        ({"content-type": "application/dicom", "content-location": "/a/b"}, noise.randbytes(size))
        for size in (0, 1, 2, 3_000_000, 70_000)
    ]
    body = b"".join(
        part_head(boundary, headers, first=not index) + data
        for index, (headers, data) in enumerate(parts)
    ) + closing(boundary)
    for step in (13, 64 * 1024, 1024 * 1024, len(body)):
        if step > 13 or len(body) < 100_000:
            assert parts_of(body, boundary, step) == parts


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_preamble_and_epilogue_are_skipped(step: int) -> None:
    body = b"this is --b and\r\n--bb too\r\n" + BODY + b"\r\nthat's all --b\r\n--b\r\n\r\nno part"
    assert parts_of(body, step=step) == PARTS


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_a_longer_boundary_that_begins_like_ours_is_data(step: int) -> None:
    data = b"x\r\n--bb\r\n\r\n--b-\r\n\r\n--b x\r\n--bb--"
    assert parts_of(b"--b\r\n\r\n" + data + b"\r\n--b--", step=step) == [({}, data)]


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_padding_after_the_delimiter_is_skipped(step: int) -> None:
    body = b"--b \t \r\nA: 1\r\n\r\none\r\n--b  \r\n\r\ntwo\r\n--b--  \r\n"
    assert parts_of(body, step=step) == [({"a": "1"}, b"one"), ({}, b"two")]


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_bare_line_feeds_are_read(step: int) -> None:
    body = b"--b\nContent-Type: application/dicom\n\nD\r\nM\r\n\n--b\n\nx\n--b--\n"
    expected = [({"content-type": "application/dicom"}, b"D\r\nM\r\n"), ({}, b"x")]
    assert parts_of(body, step=step) == expected


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_an_empty_part_may_share_its_line_end_with_the_delimiter(step: int) -> None:
    body = b"--b\r\nA: 1\r\n\r\n--b\r\n\r\n--b--"
    assert parts_of(body, step=step) == [({"a": "1"}, b""), ({}, b"")]


def test_no_part_at_all() -> None:
    assert parts_of(b"--b--") == []


def test_folded_and_odd_headers_are_read() -> None:
    body = (
        b'--b\r\nContent-Type: application/dicom;\r\n  transfer-syntax="1.2"\r\nX:\r\n\r\n\r\n--b--'
    )
    assert parts_of(body) == [
        ({"content-type": 'application/dicom; transfer-syntax="1.2"', "x": ""}, b"")
    ]


def test_boundaries_with_special_characters() -> None:
    boundary = "=_'()+,-./:=? b"
    body = b"--" + boundary.encode() + b"\r\n\r\nx\r\n--" + boundary.encode() + b"--"
    assert parts_of(body, boundary) == [({}, b"x")]


@pytest.mark.parametrize("boundary", ["", "a\r\nb", "x" * 201])
def test_an_unusable_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(BadRequest, match="boundary"):
        MultipartReader(boundary)


def test_a_head_without_end_is_refused() -> None:
    reader = MultipartReader("b")
    list(reader.feed(b"--b\r\nA: " + b"x" * (MAX_HEAD - 10)))
    with pytest.raises(BadRequest, match="head"):
        list(reader.feed(b"x" * 10))


def test_a_head_that_is_no_head_is_refused() -> None:
    with pytest.raises(BadRequest, match="colon"):
        parts_of(b"--b\r\nDICM\r\n\r\nx\r\n--b--")


def test_parts_are_counted() -> None:
    body = b"--b\r\n\r\nx\r\n" * 3 + b"--b--"
    assert len(parts_of(body, reader=MultipartReader("b", max_parts=3))) == 3
    with pytest.raises(TooLarge, match="2 parts"):
        parts_of(body, reader=MultipartReader("b", max_parts=2))


def test_no_more_than_a_delimiter_is_held_back() -> None:
    reader = MultipartReader("b" * 70)
    list(reader.feed(b"--" + b"b" * 70 + b"\r\n\r\n"))
    given = 0
    for _ in range(100):
        given += sum(
            len(event.data) for event in reader.feed(b"\r" * 1000) if isinstance(event, PartData)
        )
    assert given >= 100_000 - 80


@pytest.mark.parametrize(
    ("said", "size"), [("5", 5), ("0005", 5), ("", None), ("-5", None), ("5" * 5000, None)]
)
def test_a_size_is_believed_where_it_is_one(said: str, size: int | None) -> None:
    assert PartStarted({"content-length": said}).size == size


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("said", [0, 1, 5, 6])
def test_a_length_that_is_believed_is_not_searched_but_where_it_ends_is(
    said: int, step: int
) -> None:
    data = b"\r\nab\r\n"
    body = b"".join(b"--b\r\nContent-Length: %d\r\n\r\n%s\r\n" % (said, data) for _ in range(2))
    found = parts_of(body + b"--b--", step=step, reader=MultipartReader("b", believes=True))
    assert [each for _, each in found] == [data, data]


def test_a_length_that_is_believed_may_hold_a_delimiter() -> None:
    data = b"one\r\n--b\r\ntwo"
    body = b"--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b--" % (len(data), data)
    for step in (1, 5, 1000):
        found = parts_of(body, step=step, reader=MultipartReader("b", believes=True))
        assert [each for _, each in found] == [data]


@pytest.mark.parametrize("step", [1, 3, 40, 1000])
def test_what_is_sure_need_not_be_fed(step: int) -> None:
    data = b"x" * 100 + b"\r\n--b\r\n"
    body = b"".join(
        b"--b\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data) for _ in range(3)
    )
    reader, left, found, passed = MultipartReader("b", believes=True), body + b"--b--", b"", 0
    while left:
        if sure := reader.sure:
            size = min(sure, len(left), step)
            found, left = found + left[:size], left[size:]
            reader.pass_by(size)
            passed += size
        else:
            for event in reader.feed(left[:step]):
                found += event.data if isinstance(event, PartData) else b""
            left = left[step:]
    reader.close()
    assert found == data * 3
    assert passed >= (len(data) - step) * 3


def test_who_believes_a_length_that_is_too_long_can_tell() -> None:
    body = b"--b\r\nContent-Length: 9\r\n\r\nabc\r\n--b\r\n\r\ndef\r\n--b--"
    for step in (1, 5, 1000):
        ((_, data),) = parts_of(body, step=step, reader=MultipartReader("b", believes=True))
        assert len(data) != 9
