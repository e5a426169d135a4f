import pytest
from pydicom.dataset import Dataset

from hilum.codec.send_status import encode, parse
from hilum.model.errors import BackendFault
from hilum.model.sending import Failure, Sending, State

UID = "1.2.3"
FAILURE = Failure(
    sop_instance_uid="1.2.3.4", sop_class_uid="1.2.840.1", reason=0xA700, comment="no room"
)


@pytest.mark.parametrize(
    "sending",
    [
        Sending(),
        *(Sending(state=state, remaining=3, completed=1) for state in State),
        Sending(state=State.ENDED, remaining=0, completed=70_000, failed=1, failures=(FAILURE,)),
        Sending(
            state=State.FAILED,
            remaining=0,
            failed=2,
            warning=1,
            failures=(FAILURE, Failure(sop_instance_uid="1.9", reason=0x0110)),
            comment="nobody listens",
        ),
    ],
)
def test_what_is_told_is_read(sending: Sending) -> None:
    assert parse(encode(UID, sending)) == sending


def test_it_is_a_data_set() -> None:
    sending = Sending(state=State.ENDED, remaining=0, completed=7, failed=1, failures=(FAILURE,))
    told = encode(UID, sending)
    assert [*told] == sorted(told)
    assert not any(tag.startswith("0000") for tag in told)
    dataset = Dataset.from_json(told)
    assert dataset.TransactionUID == UID
    assert dataset.TransactionStatus == "COMPLETE"
    assert dataset.private_block(0x0099, "HILUM SEND")[0x21].value == 7
    (item,) = dataset.FailedSOPSequence
    assert (item.ReferencedSOPClassUID, item.FailureReason) == ("1.2.840.1", 0xA700)
    assert item.TransactionStatusComment == "no room"


def test_a_count_that_nobody_knows_is_not_told() -> None:
    assert "00991020" not in encode(UID, Sending(state=State.RUNNING))


@pytest.mark.parametrize(
    ("told", "sending"),
    [
        (
            {"00001020": {"vr": "US", "Value": [0]}, "00001021": {"vr": "US", "Value": [4]}},
            Sending(state=State.ENDED, remaining=0, completed=4),
        ),
        (
            {"00001020": {"vr": "US", "Value": ["2"]}, "00001022": {"vr": "US", "Value": [1]}},
            Sending(state=State.RUNNING, remaining=2, failed=1),
        ),
        (
            {"00080417": {"vr": "CS", "Value": ["in progress "]}},
            Sending(state=State.RUNNING),
        ),
        (
            {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}},
            Sending(
                state=State.ENDED,
                failed=1,
                failures=(Failure(sop_instance_uid="1.2", reason=0x0110),),
            ),
        ),
    ],
)
def test_other_ways_to_tell_it_are_read(told: dict[str, object], sending: Sending) -> None:
    assert parse(told) == sending


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"00100010": {"vr": "PN"}},
        {"00991021": {"vr": "UL", "Value": ["many"]}},
        {"00081198": {"vr": "SQ", "Value": [{}]}},
        {"00080417": "COMPLETE"},
        {"00081198": {"vr": "SQ", "Value": 3}},
    ],
)
def test_what_is_no_status_is_a_fault_of_the_far_side(told: dict[str, object]) -> None:
    with pytest.raises(BackendFault):
        parse(told)
