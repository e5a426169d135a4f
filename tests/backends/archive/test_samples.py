"""Real files, good and bad, through the archive."""

import json
import warnings
from pathlib import Path

import pydicom
import pytest
from tests import samples
from tests.backends.archive import opened
from tests.backends.archive.opened import retrieved, store
from tests.contract.made import Made

from hilum.codec.part10 import read_head
from hilum.model.errors import BadDataset, Conflict, HilumError
from hilum.model.identity import Level, Ref
from hilum.model.query import Query

pytestmark = pytest.mark.anyio


def read(path: Path) -> Made | None:
    data = path.read_bytes()
    try:
        head = read_head(data, complete=True)
    except HilumError:
        return None
    assert head is not None
    return Made(data[head.offset :], "", "", head.transfer_syntax_uid)


async def test_every_good_file_comes_back_byte_for_byte_and_is_found(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        for path in [*samples.GOOD, *samples.DERIVED]:
            made = read(path)
            assert made is not None, path.name
            (stored,) = await store(archive, made)
            assert stored.failure is None, path.name
            ref = Ref(
                stored.study_instance_uid, stored.series_instance_uid, stored.sop_instance_uid
            )
            assert await retrieved(archive, ref) == [made.data], path.name
            query = Query(Level.IMAGE, {(0x00080018,): stored.sop_instance_uid}, include_all=True)
            async with archive.find(query) as matches:
                (answer,) = [json.loads(each.dicom_json("http://h")) async for each in matches]
            async with archive.describe(ref, "http://h") as objects:
                (metadata,) = [json.loads(each) async for each in objects]
            assert set(metadata) <= set(answer), path.name
    async with (
        opened.archive(tmp_path, durability="relaxed") as archive,
        archive.find(Query(Level.IMAGE)) as matches,
    ):
        assert len([each async for each in matches]) == len(samples.GOOD + samples.DERIVED)
    assert opened.lost(tmp_path) == []


async def test_every_file_of_the_archive_is_a_valid_part_10_file(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        for path in samples.GOOD[:20]:
            made = read(path)
            assert made is not None
            await store(archive, made)
    for path in opened.files(tmp_path):
        with warnings.catch_warnings(action="ignore"):  # pydicom's, of what is in the samples
            dataset = pydicom.dcmread(path)
        meta = dataset.file_meta
        assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert meta.MediaStorageSOPClassUID == dataset.SOPClassUID
        assert path.read_bytes()[128:132] == b"DICM"


async def test_other_versions_of_known_instances_are_refused(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        for path in samples.GOOD:
            made = read(path)
            assert made is not None
            await store(archive, made)
        for path in samples.DUP:
            made = read(path)
            assert made is not None
            (stored,) = await store(archive, made)
            assert isinstance(stored.failure, Conflict), path.name


async def test_every_broken_file_is_refused_or_kept_as_it_is(tmp_path: Path) -> None:
    kept = 0
    async with opened.archive(tmp_path, "replace", durability="relaxed") as archive:
        for path in samples.EDGE:
            made = read(path)
            if made is None:
                continue
            (stored,) = await store(archive, made)
            if stored.failure is not None:
                assert isinstance(stored.failure, BadDataset), path.name
                continue
            kept += 1
            ref = Ref(instance=stored.sop_instance_uid)
            assert await retrieved(archive, ref) == [made.data], path.name
        await archive.echo()
    assert kept
    assert len(opened.files(tmp_path)) <= kept
