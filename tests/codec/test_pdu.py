import contextlib
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as oracle
from pynetdicom.pdu_primitives import P_DATA

from hilum.codec import pdu
from hilum.codec.pdu import (
    MAX_ASSOCIATE,
    Aborted,
    AbortReason,
    Associate,
    Event,
    Fragment,
    Pdu,
    PduError,
    PduReader,
    Rejected,
    ReleaseAnswered,
    ReleaseRequested,
)

BYTE = st.integers(0, 255)
SHORT_EVENTS = st.one_of(
    st.builds(Rejected, BYTE, BYTE, BYTE),
    st.builds(Aborted, BYTE, BYTE),
    st.just(ReleaseRequested()),
    st.just(ReleaseAnswered()),
    st.builds(
        Associate,
        st.sampled_from([Pdu.ASSOCIATE_RQ, Pdu.ASSOCIATE_AC]),
        st.binary(max_size=300),
    ),
)
MESSAGES = st.tuples(st.sampled_from([1, 3, 255]), st.booleans(), st.binary(max_size=400))


def read(stream: bytes, cuts: list[int], max_pdu: int = 0) -> list[Event]:
    """The events of `stream` cut at `cuts`; pieces of one fragment are put together again."""
    reader = PduReader(max_pdu)
    events: list[Event] = []
    begin = 0
    for end in [*sorted(cuts), len(stream)]:
        for event in reader.feed(stream[begin:end]):
            last = events[-1] if events else None
            if isinstance(event, Fragment) and isinstance(last, Fragment) and not last.last:
                events[-1] = Fragment(
                    event.context_id,
                    event.is_command,
                    event.last,
                    bytes(last.data) + bytes(event.data),
                )
            else:
                events.append(event)
        begin = end
    assert not reader.in_pdu
    return events


def data_tf(*values: tuple[int, int, bytes]) -> bytes:
    """A P-DATA-TF of (context id, message control header, fragment) items."""
    items = b"".join(
        struct.pack(">IBB", len(data) + 2, context, flags) + data for context, flags, data in values
    )
    return struct.pack(">BxI", 4, len(items)) + items


def whole(context_id: int, data: bytes, *, command: bool = False) -> Fragment:
    """A fragment that is a whole command or data set."""
    return Fragment(context_id, command, last=True, data=data)


def failure(stream: bytes, max_pdu: int = 0) -> PduError:
    with pytest.raises(PduError) as caught:
        list(PduReader(max_pdu).feed(stream))
    return caught.value


@given(SHORT_EVENTS)
def test_what_is_encoded_is_read_back(event: Event) -> None:
    assert not isinstance(event, Fragment)
    assert read(pdu.encode(event), []) == [event]


@given(st.data(), st.lists(st.one_of(SHORT_EVENTS, MESSAGES), max_size=6), st.integers(64, 200))
def test_the_cuts_of_the_network_do_not_show(
    data: st.DataObject, said: list[Event | tuple[int, bool, bytes]], max_pdu: int
) -> None:
    size = pdu.fragment_size(max_pdu)
    stream, expected = b"", []
    for each in said:
        if isinstance(each, tuple):
            context, is_command, content = each
            parts = pdu.encode_data(context, content, is_command=is_command, last=True, size=size)
            stream += b"".join(parts)
            expected.append(whole(context, content, command=is_command))
        else:
            assert not isinstance(each, Fragment)
            stream += pdu.encode(each)
            expected.append(each)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert read(stream, cuts, max_pdu) == expected
    assert read(stream, list(range(len(stream))), max_pdu) == expected


def test_a_fragment_without_bytes_is_given_too() -> None:
    assert read(data_tf((1, 2, b"")), []) == [whole(1, b"")]


def test_reserved_bits_of_the_message_control_header_are_not_tested() -> None:
    assert read(data_tf((1, 0xFF, b"ab")), []) == [whole(1, b"ab", command=True)]


def test_one_pdu_may_hold_many_presentation_data_values() -> None:
    stream = data_tf((1, 3, b"command"), (1, 0, b"da"), (1, 2, b"ta"), (3, 3, b"next"))
    assert read(stream, [9, 20]) == [
        whole(1, b"command", command=True),
        whole(1, b"data"),
        whole(3, b"next", command=True),
    ]


@pytest.mark.parametrize("size", [2, 58, 1000, 10_000])
@pytest.mark.parametrize("length", [0, 1, 57, 58, 59, 10_000])
def test_pynetdicom_reads_the_fragments_that_we_send(length: int, size: int) -> None:
    content = bytes(at % 251 for at in range(length))
    stream = b"".join(pdu.encode_data(5, content, is_command=False, last=True, size=size))
    found, at, lasts = b"", 0, []
    while at < len(stream):
        end = at + 6 + int.from_bytes(stream[at + 2 : at + 6], "big")
        decoded = oracle.P_DATA_TF()
        decoded.decode(stream[at:end])
        for item in decoded.presentation_data_value_items:
            assert item.presentation_context_id == 5
            assert item.presentation_data_value is not None
            assert len(item.presentation_data_value) <= size + 1
            header, piece = item.presentation_data_value[0], item.presentation_data_value[1:]
            lasts.append(header)
            found += piece
        at = end
    assert found == content
    assert lasts == [0] * (len(lasts) - 1) + [2]


@given(st.binary(max_size=2000), st.sampled_from([0, 1]))
def test_we_read_the_fragments_that_pynetdicom_sends(content: bytes, is_command: int) -> None:
    primitive = P_DATA()
    for at in range(0, max(len(content), 1), 500):
        last = at + 500 >= len(content)
        header = bytes([is_command | last << 1])
        primitive.presentation_data_value_list.append((7, header + content[at : at + 500]))
    sent = oracle.P_DATA_TF()
    sent.from_primitive(primitive)
    assert read(sent.encode(), [3]) == [whole(7, content, command=bool(is_command))]


@pytest.mark.parametrize("kind", [0, 8, 0x47, 0xFF])
def test_an_unknown_type_is_refused_by_its_first_byte(kind: int) -> None:
    assert failure(bytes([kind])).reason is AbortReason.UNRECOGNIZED_PDU
    assert failure(bytes([kind]) + bytes(20)).reason is AbortReason.UNRECOGNIZED_PDU


@pytest.mark.parametrize("kind", list(Pdu))
@pytest.mark.parametrize("length", [MAX_ASSOCIATE + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_is_refused_before_the_body_is_there(kind: Pdu, length: int) -> None:
    error = failure(struct.pack(">BxI", kind, length), max_pdu=MAX_ASSOCIATE)
    assert error.reason is AbortReason.INVALID_PARAMETER


def test_an_a_associate_of_the_longest_length_is_taken() -> None:
    event = Associate(Pdu.ASSOCIATE_RQ, bytes(MAX_ASSOCIATE))
    assert read(pdu.encode(event), [1, 7, 5000]) == [event]


@pytest.mark.parametrize("kind", [3, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 3, 5])
def test_short_pdus_have_their_one_length(kind: int, length: int) -> None:
    assert failure(struct.pack(">BxI", kind, length)).reason is AbortReason.INVALID_PARAMETER


def test_a_p_data_tf_longer_than_negotiated_is_refused() -> None:
    stream = data_tf((1, 2, bytes(100)))
    assert read(stream, [], max_pdu=106)
    assert failure(stream, max_pdu=105).reason is AbortReason.INVALID_PARAMETER
    assert read(stream, [], max_pdu=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",  # a P-DATA-TF without an item
        b"\0\0\0\2\1",  # an item that is cut off
        struct.pack(">IBB", 3, 1, 2),  # an item longer than its PDU
        struct.pack(">IBB", 0xFFFFFFFF, 1, 2),
        struct.pack(">IBB", 1, 1, 2),  # an item without a message control header
        struct.pack(">IBB", 0, 1, 2),
        struct.pack(">IBB", 2, 2, 2),  # an even context id
        struct.pack(">IBB", 2, 0, 2),
        struct.pack(">IBB", 3, 1, 2) + b"a" + b"\0\0\0",  # bytes after the last item
    ],
)
def test_items_must_fit_their_p_data_tf(body: bytes) -> None:
    stream = struct.pack(">BxI", 4, len(body)) + body
    assert failure(stream).reason is AbortReason.INVALID_PARAMETER


@given(st.data())
def test_mutated_and_random_bytes_raise_nothing_but_pdu_errors(data: st.DataObject) -> None:
    stream = bytearray(
        data_tf((1, 3, b"command" * 9), (1, 2, b"data" * 9))
        + pdu.encode(ReleaseRequested())
        + data.draw(st.binary(max_size=100))
    )
    for _ in range(data.draw(st.integers(0, 5))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(BYTE)
    reader = PduReader(data.draw(st.sampled_from([0, 64, 65536])))
    cut = data.draw(st.integers(0, len(stream)))
    given = 0
    with contextlib.suppress(PduError):
        for piece in (stream[:cut], stream[cut:]):
            events = reader.feed(bytes(piece))
            given += sum(len(each.data) for each in events if isinstance(each, Fragment))
    assert given <= len(stream)


def test_a_megabyte_of_the_smallest_fragments_is_read_in_bounded_time() -> None:
    stream = data_tf((1, 0, b"x")) * (1024 * 1024 // 13)
    began = time.process_time()
    assert sum(1 for _ in PduReader(0).feed(stream)) == 1024 * 1024 // 13
    assert time.process_time() - began < 5


def test_an_a_associate_that_comes_byte_by_byte_is_read_in_bounded_time() -> None:
    stream = pdu.encode(Associate(Pdu.ASSOCIATE_RQ, bytes(MAX_ASSOCIATE)))
    reader = PduReader(0)
    began = time.process_time()
    events = [event for at in range(len(stream)) for event in reader.feed(stream[at : at + 1])]
    assert len(events) == 1
    assert time.process_time() - began < 1


@pytest.mark.parametrize("peer", [0, 64, 65, 16382, 16383, 0xFFFFFFFF])
def test_fragments_are_even_and_fit_what_the_peer_takes(peer: int) -> None:
    size = pdu.fragment_size(peer)
    assert size % 2 == 0
    assert 0 < size + 6 <= (peer or pdu.MAX_OURS)
    assert size + 6 <= pdu.MAX_OURS


@given(st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=4), st.sampled_from([2, 58]))
def test_pieces_are_sent_on_as_they_come_wherever_they_were_cut(
    batches: list[list[bytes]], size: int
) -> None:
    stream = b""
    rest: list[bytes | memoryview] = []
    for batch in batches:
        parts, rest = pdu.encode_pieces(1, [*rest, *batch], last=False, size=size)
        stream += b"".join(parts)
        assert sum(map(len, rest)) <= 1
    parts, rest = pdu.encode_pieces(1, rest, last=True, size=size)
    stream += b"".join(parts)
    assert rest == []
    assert read(stream, [], size + 6) == [whole(1, b"".join(map(b"".join, batches)))]
    fragments = [each for each in PduReader(0).feed(stream) if isinstance(each, Fragment)]
    assert not any(len(each.data) & 1 for each in fragments[:-1])
