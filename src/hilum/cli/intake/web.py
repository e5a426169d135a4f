"""Stores by STOW-RS at a broker that runs here, one request for each instance (PS3.18 §10.5)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx

from hilum.codec.part10 import encode_meta
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    HilumError,
    NotStorable,
)
from hilum.model.instance import Instance
from hilum.model.outcome import Stored

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # seconds without any progress
_JSON = "application/dicom+json"
_FAILED, _STORED = "00081198", "00081199"  # Failed and Referenced SOP Sequence
_OTHERS = "0008119A"  # Other Failures Sequence
_COMMENT = "00000902"


class WebStores:
    """A mount of a running broker, by its URL (`http://127.0.0.1:8080/aets/ARCHIVE`)."""

    def __init__(self, root: str) -> None:
        self._root = root

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """A session with a connection of its own."""
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            yield _Session(client, f"{self._root}/studies")


class _Session:
    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def store(self, instance: Instance, /) -> Stored:
        """One request."""
        boundary = uuid4().hex
        headers = {
            "Accept": _JSON,
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        }
        try:
            answer = await self._client.post(
                self._url, content=_body(instance, boundary), headers=headers
            )
        except httpx.TimeoutException as error:
            raise BackendTimeout("the running broker does not answer") from error
        except httpx.TransportError as error:
            raise BackendUnavailable("the running broker cannot be reached") from error
        failure, warnings = _judged(answer)
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=failure,
            warnings=warnings,
        )


async def _body(instance: Instance, boundary: str) -> AsyncIterator[bytes]:
    kind = f"Content-Type: application/dicom; transfer-syntax={instance.transfer_syntax_uid}"
    yield f"--{boundary}\r\n{kind}\r\n\r\n".encode()
    yield encode_meta(
        instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    )
    async for chunk in instance.chunks:
        yield chunk
    yield f"\r\n--{boundary}--\r\n".encode()


def _judged(answer: httpx.Response) -> tuple[HilumError | None, tuple[str, ...]]:
    """What the answer says of the one instance: why it is not kept, or what is odd about it."""
    try:
        module = answer.json()
        for tag in (_STORED, _FAILED, _OTHERS):
            for item in module.get(tag, {}).get("Value", ()):
                said = "".join(item.get(_COMMENT, {}).get("Value", ()))
                if tag == _STORED:
                    return None, (said,) if said else ()
                return NotStorable(said or f"refused with {answer.status_code}"), ()
        said = f": {module['error']}" if "error" in module else ""
    except (ValueError, TypeError, AttributeError):
        said = ""
    return BackendFault(f"the running broker answered {answer.status_code}{said}"), ()
