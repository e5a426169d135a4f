from collections import deque

import pytest
from tests.backends.dicomweb.wire import file_of
from tests.contract.made import made

from hilum.model.errors import BadDataset
from hilum.net import beginning
from hilum.net.beginning import head_of, identifiers_of

pytestmark = pytest.mark.anyio

MADE = made(1, 2, 3)
FILE = file_of(MADE)
SYNTAX = MADE.transfer_syntax_uid


class Cut:
    """Bytes in pieces of one length."""

    def __init__(self, data: bytes, length: int) -> None:
        self._left = deque(data[at : at + length] for at in range(0, len(data), length))

    async def read(self) -> bytes:
        return self._left.popleft() if self._left else b""

    def unread(self, data: bytes, /) -> None:
        self._left.appendleft(data)

    @property
    def left(self) -> bytes:
        return b"".join(self._left)


@pytest.mark.parametrize("length", [1, 7, 4096, len(FILE)])
async def test_the_head_and_the_uids_however_it_is_cut(length: int) -> None:
    source = Cut(FILE, length)
    head = await head_of(source)
    assert (head.sop_instance_uid, head.transfer_syntax_uid) == (MADE.sop_instance_uid, SYNTAX)
    assert source.left == MADE.data
    found = await identifiers_of(source, SYNTAX, study=True)
    assert found is not None
    assert found.sop_instance_uid == MADE.sop_instance_uid
    assert source.left == MADE.data


async def test_what_is_none_is_left_as_it_is() -> None:
    for data in (b"", b"no file of PS3.10" * 20):
        source = Cut(data, 9)
        with pytest.raises(BadDataset):
            await head_of(source)
        assert source.left == data


async def test_uids_are_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "LOOK", 64)
    long = made(1, 2, 3, ImageComments="x" * 9000)
    data = b"\x08\x00\x05\x00UN\x00\x00" + (2**20).to_bytes(4, "little") + bytes(2**20) + long.data
    source = Cut(data, 50)
    assert await identifiers_of(source, SYNTAX, study=False) is None
    assert source.left == data
