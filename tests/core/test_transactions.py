from hilum.core.operations import Send
from hilum.core.transactions import broken, ended, under_way
from hilum.model.errors import BackendTimeout, BackendUnavailable, OutOfResources
from hilum.model.identity import Ref
from hilum.model.outcome import Progress, Stored
from hilum.model.sending import Failure, Sending, State

STUDY = Send(mount="A", destination="B", refs=(Ref(study="1"),))
NAMED = Send(mount="A", destination="B", refs=(Ref("1", "2", "3"), Ref("1", "2", "4")))


def test_what_failed_is_told_with_its_own_reason_where_that_is_known() -> None:
    full = Stored(sop_class_uid="1.1", sop_instance_uid="7", failure=OutOfResources("full"))
    progress = Progress(
        remaining=None,
        completed=1,
        failed=2,
        failed_uids=("7", "8"),
        reason=BackendTimeout("late"),
        failures=(full,),
    )
    assert under_way(progress) == Sending(
        state=State.RUNNING,
        remaining=None,
        completed=1,
        failed=2,
        failures=(
            Failure(sop_instance_uid="7", sop_class_uid="1.1", reason=0xA700, comment="full"),
            Failure(sop_instance_uid="8", reason=0xA700, comment="late"),
        ),
        comment="late",
    )


def test_a_send_has_ended_when_something_arrived_and_failed_when_nothing_did() -> None:
    assert ended(Sending(completed=1, failed=2)).state is State.ENDED
    assert ended(Sending(warning=1)).state is State.ENDED
    untold = ended(Sending(completed=1, remaining=2))
    assert (untold.state, untold.failed, untold.remaining) == (State.ENDED, 2, 0)
    failed = ended(Sending(failed=2, comment="refused"))
    assert (failed.state, failed.comment) == (State.FAILED, "refused")
    nothing = ended(Sending(state=State.RUNNING))
    assert (nothing.state, nothing.remaining) == (State.FAILED, 0)
    assert nothing.comment == "nothing is there any more"


def test_what_remained_when_it_broke_off_has_failed() -> None:
    error = BackendUnavailable("gone")
    half = broken(STUDY, Sending(state=State.RUNNING, remaining=3, completed=2), error)
    assert (half.state, half.failed, half.remaining) == (State.FAILED, 3, 0)
    assert (half.completed, half.comment) == (2, "gone")
    unknown = broken(STUDY, Sending(), error)
    assert (unknown.failed, unknown.failures) == (1, ())
    named = broken(NAMED, Sending(), error)
    assert (named.failed, [each.sop_instance_uid for each in named.failures]) == (2, ["3", "4"])
