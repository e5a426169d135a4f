import contextlib
import struct
import time
from dataclasses import fields, replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset
from pynetdicom import dimse_messages as oracle
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE

from hilum.codec import dimse
from hilum.codec.dimse import A_DATA_SET, NO_DATA_SET, Command, Service
from hilum.codec.pdu import AbortSource, PduError

CT = "1.2.840.10008.5.1.4.1.1.2"
NUMBERS = st.one_of(st.none(), st.integers(0, 0xFFFF))
TEXTS = st.one_of(
    st.none(), st.text("ABC.0189 é", min_size=1, max_size=30).filter(lambda t: t == t.strip() != "")
)
COMMENTS = st.one_of(
    st.none(), st.text("abc .:", min_size=1, max_size=64).filter(lambda t: t == t.strip() != "")
)
COMMANDS = st.builds(
    Command,
    command_field=st.integers(0, 0xFFFF),
    data_set_type=st.integers(0, 0xFFFF),
    **{
        each.name: COMMENTS
        if each.name == "error_comment"
        else (TEXTS if "str" in str(each.type) else NUMBERS)
        for each in fields(Command)
        if each.name not in ("command_field", "data_set_type")
    },
)


def element(number: int, value: bytes, length: int | None = None, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, number, len(value) if length is None else length) + value


def with_field(*more: bytes) -> bytes:
    return element(0x0100, b"\x30\0") + b"".join(more)


@given(COMMANDS)
def test_what_is_encoded_is_read_back(command: Command) -> None:
    assert dimse.parse(dimse.encode(command)) == command


def test_pydicom_reads_what_we_encode() -> None:
    command = Command(
        command_field=Service.C_STORE,
        data_set_type=A_DATA_SET,
        message_id=65535,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid="1.2.3",
        move_originator_ae_title="VIEWER",
        move_originator_message_id=7,
        priority=0,
    )
    data = dimse.encode(command)
    found = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert found.CommandGroupLength == len(data) - 12
    assert found.CommandField == Service.C_STORE
    assert (found.MessageID, found.AffectedSOPClassUID) == (65535, CT)
    assert found.AffectedSOPInstanceUID == "1.2.3"
    assert found.MoveOriginatorApplicationEntityTitle == "VIEWER"
    assert [each.tag for each in found] == sorted(each.tag for each in found)
    assert len(data) % 2 == 0


def sent(message: oracle.DIMSEMessage, primitive: object) -> Command:
    """The command that pynetdicom makes of a primitive."""
    message.primitive_to_message(primitive)  # type: ignore[arg-type]
    command = b""
    for pdata in message.encode_msg(1, 16382):
        for _, value in pdata.presentation_data_value_list:
            if value[0] & 1:
                command += value[1:]
    return dimse.parse(command)


def test_the_c_store_of_pynetdicom_is_understood() -> None:
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CT, "1.2.3"
    request.Priority = 2
    request.DataSet = BytesIO(b"\x08\0\x16\0\0\0\0\0")
    request.MoveOriginatorApplicationEntityTitle = "VIEWER"
    request.MoveOriginatorMessageID = 9
    found = sent(oracle.C_STORE_RQ(), request)
    assert found.has_data
    assert replace(found, data_set_type=A_DATA_SET) == Command(
        command_field=Service.C_STORE,
        data_set_type=A_DATA_SET,
        message_id=7,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid="1.2.3",
        priority=2,
        move_originator_ae_title="VIEWER",
        move_originator_message_id=9,
    )


def test_the_c_get_answer_of_pynetdicom_is_understood() -> None:
    answer = C_GET()
    answer.MessageIDBeingRespondedTo = 3
    answer.AffectedSOPClassUID, answer.Status = CT, 0xB000
    answer.NumberOfRemainingSuboperations = 1
    answer.NumberOfCompletedSuboperations = 2
    answer.NumberOfFailedSuboperations = 3
    answer.NumberOfWarningSuboperations = 4
    found = sent(oracle.C_GET_RSP(), answer)
    assert found.is_response
    assert not found.has_data
    assert (found.message_id_responded_to, found.status) == (3, 0xB000)
    assert (found.remaining, found.completed, found.failed, found.warning) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("message", "primitive", "service"),
    [
        (oracle.C_ECHO_RQ, C_ECHO, Service.C_ECHO),
        (oracle.C_FIND_RQ, C_FIND, Service.C_FIND),
        (oracle.C_MOVE_RQ, C_MOVE, Service.C_MOVE),
    ],
)
def test_requests_of_pynetdicom_are_understood(message, primitive, service) -> None:
    request = primitive()
    request.MessageID, request.AffectedSOPClassUID = 1, CT
    if service is not Service.C_ECHO:
        request.Identifier = BytesIO(b"\x08\0\x16\0\0\0\0\0")
        request.Priority = 0
    if service is Service.C_MOVE:
        request.MoveDestination = "VIEWER"
    found = sent(message(), request)
    assert (found.command_field, found.message_id) == (service, 1)
    assert not found.is_response
    assert found.move_destination == ("VIEWER" if service is Service.C_MOVE else None)


def test_the_c_cancel_of_pynetdicom_is_understood() -> None:
    request = C_CANCEL()
    request.MessageIDBeingRespondedTo = 5
    found = sent(oracle.C_CANCEL_RQ(), request)
    assert (found.command_field, found.message_id_responded_to) == (Service.C_CANCEL, 5)
    assert found.message_id is None
    assert not found.is_response


def test_pynetdicom_understands_our_answers() -> None:
    data = dimse.encode(
        Command(
            command_field=Service.C_MOVE | 0x8000,
            message_id_responded_to=8,
            affected_sop_class_uid=CT,
            status=0xA702,
            error_comment="nothing could be stored",
            completed=0,
            failed=2,
            warning=0,
        )
    )
    message = oracle.C_MOVE_RSP()
    message.command_set = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    got = message.message_to_primitive()
    assert (got.Status, got.MessageIDBeingRespondedTo) == (0xA702, 8)
    assert (got.NumberOfFailedSuboperations, got.NumberOfCompletedSuboperations) == (2, 0)
    assert got.ErrorComment == "nothing could be stored"


def test_values_lose_their_padding_and_empty_ones_are_not_there() -> None:
    data = with_field(element(2, b"1.2\0"), element(0x0600, b"AE  "), element(0x1000, b""))
    assert dimse.parse(data) == Command(
        command_field=0x30, affected_sop_class_uid="1.2", move_destination="AE"
    )


def test_elements_that_nobody_needs_are_skipped() -> None:
    ignored = element(0, bytes(4)) + element(1, b"\x10\0\0\0") + element(0x5020, b"??")
    assert dimse.parse(ignored + with_field()) == Command(command_field=0x30)


def test_the_failed_list_that_orthanc_puts_into_the_command_set_is_skipped() -> None:
    stray = element(0, b"\x0c\0\0\0", group=8) + element(0x58, b"1.2\0", group=8)
    assert dimse.parse(with_field(stray)) == Command(command_field=0x30)


def test_a_number_of_four_bytes_is_taken_while_it_is_small_enough() -> None:
    assert dimse.parse(with_field(element(0x0110, b"\1\0\0\0"))).message_id == 1
    with pytest.raises(PduError):
        dimse.parse(with_field(element(0x0110, b"\1\0\1\0")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        with_field(b"\0\0\2\0"),
        with_field(element(2, b"1.2", 9)),
        with_field(element(2, b"1.2", 0xFFFFFFFF)),
        with_field(element(0x10, b"PATIENT", group=0x10)),
        with_field(element(0x0110, b"\1")),
        with_field(element(0x0110, b"\1\0\0")),
        with_field(element(0x0110, bytes(8))),
        element(0x0110, b"\1\0"),  # no Command Field
        element(0x0100, b""),
    ],
)
def test_what_is_no_command_set_earns_an_abort_of_the_user(data: bytes) -> None:
    with pytest.raises(PduError) as caught:
        dimse.parse(data)
    assert (caught.value.source, caught.value.reason) == (AbortSource.USER, 0)


@given(st.data(), COMMANDS)
def test_mutated_commands_raise_nothing_but_pdu_errors(
    data: st.DataObject, command: Command
) -> None:
    changed = bytearray(dimse.encode(command))
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PduError):
        dimse.encode(dimse.parse(bytes(changed[: data.draw(st.integers(0, len(changed)))])))


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_pdu_errors(data: bytes) -> None:
    with contextlib.suppress(PduError):
        dimse.encode(dimse.parse(data))


@pytest.mark.parametrize("one", [element(0x9999, b""), element(2, b""), element(2, b"1." * 999)])
def test_a_megabyte_is_read_in_bounded_time(one: bytes) -> None:
    data = with_field(one * (1024 * 1024 // len(one)))
    began = time.process_time()
    dimse.parse(data)
    assert time.process_time() - began < 3


def test_counts_beyond_an_us_say_the_most_that_one_can_say() -> None:
    command = dimse.parse(dimse.encode(Command(command_field=0x8010, remaining=100_000)))
    assert command.remaining == 0xFFFF


@given(st.text(max_size=200))
def test_a_comment_is_one_lo_whatever_it_says(text: str) -> None:
    data = dimse.encode(Command(command_field=0x8001, error_comment=text))
    found = dimse.parse(data).error_comment or ""
    assert len(found) <= 64
    assert found.isascii()
    assert found.isprintable()
    assert "\\" not in found


def test_no_data_set_is_the_one_value_that_says_so() -> None:
    assert not Command(command_field=1, data_set_type=NO_DATA_SET).has_data
    assert Command(command_field=1, data_set_type=0x0102).has_data
    assert Command(command_field=1, data_set_type=0).has_data


@given(
    st.text("0123456789.", max_size=64),
    st.one_of(st.none(), st.text("0123456789.", max_size=64)),
    st.integers(0, 0xFFFF),
)
def test_the_short_way_to_say_success_says_the_same(
    sop_class: str, sop_instance: str | None, number: int
) -> None:
    command = Command(
        command_field=Service.C_STORE | dimse.RESPONSE,
        message_id_responded_to=number,
        affected_sop_class_uid=sop_class,
        affected_sop_instance_uid=sop_instance,
        status=0,
    )
    assert dimse.encode_stored(sop_class, sop_instance, number) == dimse.encode(command)
