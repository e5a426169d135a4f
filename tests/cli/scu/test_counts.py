import pytest

from hilum.backends.dimse.retrieve import Retrieval
from hilum.cli.scu.bar import bar
from hilum.cli.scu.counts import as_json, follow, lines
from hilum.codec.dimse import Command, Service
from hilum.model.errors import HilumError
from hilum.upper_layer.messages import Context, Message, Responses

pytestmark = pytest.mark.anyio
CONTEXT = Context(1, "1.2", "1.2.840.10008.1.2", we_may_ask=True, peer_may_ask=False)


async def retrieval(*answers: Command) -> Retrieval:
    responses = Responses(0x8021, lambda _: None, 1.0)
    for each in answers:
        responses.put(Message(CONTEXT, each, None))
    return Retrieval(None, Service.C_MOVE, responses)  # type: ignore[arg-type]  # nothing is asked of it here


def said(status: int, **counts: object) -> Command:
    return Command(command_field=0x8021, status=status, **counts)  # type: ignore[arg-type]  # as named


async def test_what_went_well_needs_no_words() -> None:
    found = await retrieval(said(0xFF00, remaining=1, completed=1), said(0, completed=2))
    with bar() as shown:
        await follow(found, shown)
        assert shown.tasks[0].completed == 2
    assert lines(found) == []
    assert as_json(found) == {
        "status": "0000", "completed": 2, "failed": 0, "warning": 0, "remaining": 0,
        "failed_uids": [], "reason": None, "comment": "",
    }  # fmt: skip


async def test_what_did_not_is_told_with_the_comment_of_the_peer() -> None:
    found = await retrieval(said(0xB000, completed=1, failed=2, warning=3, error_comment="so\x1b"))
    with bar() as shown:
        await follow(found, shown)
    assert "".join(lines(found)) == (
        "3 with a warning\n"
        "2 failed: sub-operations failed at the peer, which answered B000H\n"
        "the peer's comment: so\ufffd\n"
    )


async def test_a_failure_of_the_whole_is_raised_after_the_comment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = await retrieval(said(0xA801, error_comment="who is that"))
    with bar() as shown, pytest.raises(HilumError):
        await follow(found, shown)
    assert capsys.readouterr().err == "the peer's comment: who is that\n"
