"""An association of ours with a raw peer at its other end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.upper_layer.doubles import CT
from tests.upper_layer.wire import HOST, Raw, asking, raw, request

from hilum.codec import associate, pdu
from hilum.codec.associate import Answered, AssociateAccept, Negotiation
from hilum.codec.pdu import Pdu
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE, VERIFICATION
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Context
from hilum.upper_layer.standing import Timeouts

ECHO = Context(1, VERIFICATION, IMPLICIT_LE, we_may_ask=True, peer_may_ask=True)
STORE = Context(3, CT, EXPLICIT_LE, we_may_ask=True, peer_may_ask=True)
QUICK = Timeouts(acse=0.5, message=0.4, idle=5)


@dataclass(slots=True)
class Both:
    """An association of ours and the raw peer at its other end."""

    ours: Association
    peer: Raw


@asynccontextmanager
async def both(
    *,
    requestor: bool = False,
    timeouts: Timeouts = QUICK,
    small: bool = False,
    max_pdu: int = 16384,
    contexts: Sequence[Context] = (ECHO, STORE),
) -> AsyncIterator[Both]:
    """An open association of either role; with `small`, between sockets of small buffers."""
    loop = asyncio.get_running_loop()
    made: asyncio.Queue[Association] = asyncio.Queue()

    def association() -> Association:
        return Association(
            requestor=requestor, max_pdu=65536, timeouts=timeouts, made=made.put_nowait
        )

    with socket.create_server((HOST, 0)) as listening:
        if small:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        server = await loop.create_server(association, sock=listening)
        async with server, raw(listening.getsockname()[1], small=small) as peer:
            ours = await made.get()
            says = request(negotiation=Negotiation(max_pdu=max_pdu))
            accept = AssociateAccept(
                called_ae_title="HILUM",
                calling_ae_title="PEER",
                contexts=tuple(Answered(each.id, 0, EXPLICIT_LE) for each in says.contexts),
                negotiation=says.negotiation,
            )
            opened = {each.id: each for each in contexts}
            if requestor:
                async with asyncio.TaskGroup() as tasks:
                    asked = tasks.create_task(ours.ask(says))
                    kind, _ = await peer.pdu()
                    assert kind == Pdu.ASSOCIATE_RQ
                    await peer.send(pdu.encode(associate.encode(accept)))
                assert asked.result() == accept
                ours.contexts = opened
            else:
                await peer.send(asking(negotiation=says.negotiation))
                assert await ours.requested() == says
                ours.accept(accept, opened)
                kind, _ = await peer.pdu()
                assert kind == Pdu.ASSOCIATE_AC
            yield Both(ours, peer)
            ours.abort()
            peer.writer.close()
            await ours.closed()
