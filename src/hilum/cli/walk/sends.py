"""The rows that DICOMweb Send has (Supplement 248)."""

import asyncio
from uuid import uuid4

import httpx

from hilum.cli.walk.receiver import receiver
from hilum.cli.walk.row import Failed, Row, Walk, counted
from hilum.codec import send_status

_JSON = "application/dicom+json"
_PATIENCE = 30.0  # seconds for the whole Send
_PAUSE = 0.1  # seconds between two looks


def send(what: str, destination: str) -> Row:
    """Send a study to `destination`, and look until it is done."""

    async def run(walk: Walk) -> str:
        peers = [peer for peer in walk.settings.peers.values() if peer.aet == destination]
        async with receiver(peers) as played:
            said = await _sent(walk, destination)
            if played is not None:
                wanted = {each.sop_instance_uid: each.encoded for each in walk.stored.slices}
                if played[1].got != wanted:
                    raise Failed("what came is not what was stored")
        return f"{said} to {destination}"

    return Row(f"SEND to {what}", "http", run)


async def _sent(walk: Walk, destination: str) -> str:
    transaction = f"2.25.{uuid4().int}"  # PS3.5 §B.2
    url = f"{walk.root}/studies/send-requests/{transaction}"
    asked = {"destination": destination, "StudyInstanceUID": walk.stored.uid}
    answer = await walk.client.post(url, params=asked, headers={"Accept": _JSON})
    if answer.status_code != httpx.codes.ACCEPTED:
        raise Failed(f"{answer.status_code}: {answer.text[:200]}")
    async with asyncio.timeout(_PATIENCE):
        while True:
            answer = await walk.client.get(url, headers={"Accept": _JSON})
            if answer.status_code != httpx.codes.OK:
                raise Failed(f"{answer.status_code}: {answer.text[:200]}")
            now = send_status.parse(answer.json())
            if now.state.is_final:
                break
            await asyncio.sleep(_PAUSE)
    expected = len(walk.stored.slices)
    if now.completed != expected or now.failed:
        raise Failed(f"{now.completed} of {expected} were sent: {now.comment}")
    return f"{counted(expected, 'instance')} sent"
