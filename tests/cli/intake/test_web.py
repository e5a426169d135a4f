from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from tests.cli.process import free_ports
from tests.cli.served import served

from hilum.cli.intake.web import WebStores
from hilum.cli.walk.row import web_root
from hilum.cli.walk.study import Slice, study
from hilum.model.errors import BackendFault, BackendUnavailable, NotStorable
from hilum.model.instance import Instance

pytestmark = pytest.mark.anyio
SLICES = study("WEB STORES").slices


def instance(made: Slice, data: bytes | None = None) -> Instance:
    async def chunks() -> AsyncIterator[bytes]:
        yield made.encoded if data is None else data

    return Instance(made.sop_instance_uid, made.sop_class_uid, ExplicitVRLittleEndian, chunks())


async def test_instances_are_stored_at_a_running_broker(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        root = f"{web_root(settings)}/aets/ARCHIVE"
        async with WebStores(root).open() as session:
            for each in SLICES:
                stored = await session.store(instance(each))
                assert stored.failure is None
                assert stored.sop_instance_uid == each.sop_instance_uid
                assert stored.warnings == ()


async def test_what_the_broker_refuses_is_a_failure_in_its_words(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        root = f"{web_root(settings)}/aets/ARCHIVE"
        async with WebStores(root).open() as session:
            await session.store(instance(SLICES[0]))
            other = SLICES[0].encoded[:-2] + b"\1\1"
            stored = await session.store(instance(SLICES[0], other))
    assert isinstance(stored.failure, NotStorable)
    assert "another data set" in str(stored.failure)


async def test_what_is_odd_is_a_warning_in_its_words(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        root = f"{web_root(settings)}/aets/ARCHIVE"
        async with WebStores(root).open() as session:
            stored = await session.store(instance(SLICES[0], SLICES[0].encoded[:-2]))
    assert stored.failure is None
    assert stored.warnings


async def test_a_mount_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as settings,
        WebStores(f"{web_root(settings)}/aets/X").open() as session,
    ):
        stored = await session.store(instance(SLICES[0]))
    assert isinstance(stored.failure, BackendFault)


async def test_a_broker_that_is_gone_cannot_be_reached() -> None:
    [port] = free_ports(1)
    async with WebStores(f"http://127.0.0.1:{port}/aets/X").open() as session:
        with pytest.raises(BackendUnavailable):
            await session.store(instance(SLICES[0]))
