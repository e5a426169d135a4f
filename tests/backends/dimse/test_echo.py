import pytest
from pynetdicom import evt
from tests import peers
from tests.backends.dimse.conftest import Held, calls
from tests.liar import Liar, answer, lying

from hilum.backends.dimse.echo import CONTEXT, echo
from hilum.codec.associate import Answered
from hilum.codec.sop_class import VERIFICATION
from hilum.model.errors import BackendFault, NotOffered
from hilum.upper_layer.requestor import associate

pytestmark = pytest.mark.anyio


async def test_a_real_peer_answers(held: Held) -> None:
    async with associate(held.remote, [CONTEXT]) as association:
        await echo(association)
        await echo(association)


async def test_pynetdicom_answers() -> None:
    contexts = [(VERIFICATION, CONTEXT[1])]
    with peers.pynetdicom({evt.EVT_C_ECHO: lambda _: 0x0000}, contexts) as port:
        async with associate(calls(port, "PYNETDICOM"), [CONTEXT]) as association:
            await echo(association)


async def test_a_peer_that_fails_is_no_peer_that_lives() -> None:
    with peers.pynetdicom({evt.EVT_C_ECHO: lambda _: 0x0122}, [(VERIFICATION, CONTEXT[1])]) as port:
        async with associate(calls(port, "PYNETDICOM"), [CONTEXT]) as association:
            with pytest.raises(NotOffered, match="0122H"):
                await echo(association)


async def test_an_answer_without_a_status_is_no_answer() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, None))
        await one.message()

    async with lying(script) as port, associate(calls(port, "LIAR"), [CONTEXT]) as association:
        with pytest.raises(BackendFault, match="without a status"):
            await echo(association)


async def test_a_peer_that_does_not_accept_verification_does_not_offer_it() -> None:
    async def script(one: Liar) -> None:
        await one.accept(answers=[Answered(1, 3, "")])
        await one.message()

    async with lying(script) as port, associate(calls(port, "LIAR"), [CONTEXT]) as association:
        with pytest.raises(NotOffered, match=VERIFICATION):
            await echo(association)
