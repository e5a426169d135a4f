import pytest
from tests.backends.dimse.conftest import Held, calls
from tests.liar import Liar, answer, lying

from hilum.backends.dimse.find import CONTEXTS
from hilum.backends.dimse.survey import survey
from hilum.codec import identifier, question
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.instance import Listed
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote, associate

pytestmark = pytest.mark.anyio


async def listed(
    remote: Remote, level: Level, keys: dict[Path, str], *, patient_root: bool = False
) -> list[Listed]:
    async with associate(remote, CONTEXTS) as association:
        found = survey(association, level, keys, patient_root=patient_root)
        return [each async for each in found]


@pytest.mark.parametrize("level", list(Level))
async def test_a_real_peer_lists_what_is_below(held: Held, level: Level) -> None:
    first = held.study.slices[0]
    ref, expected = {
        Level.PATIENT: (Ref(patient=held.study.patient_id), held.study.slices),
        Level.STUDY: (Ref(study=held.study.uid), held.study.slices),
        Level.SERIES: (
            Ref(study=held.study.uid, series=first.series_uid),
            [each for each in held.study.slices if each.series_uid == first.series_uid],
        ),
        Level.IMAGE: (
            Ref(study=held.study.uid, series=first.series_uid, instance=first.sop_instance_uid),
            [first],
        ),
    }[level]
    keys = question.keys_of(ref)
    found = await listed(held.remote, level, keys, patient_root=level is Level.PATIENT)
    assert len(found) == len(expected)
    assert {each.sop_instance_uid for each in found} == {each.sop_instance_uid for each in expected}
    if held.kind != "dcmqrscp":  # which has no SOP Class UID to match or return
        assert {each.sop_class_uid for each in found} == {first.sop_class_uid}


async def test_a_real_peer_lists_nothing_for_what_it_does_not_have(held: Held) -> None:
    assert await listed(held.remote, Level.STUDY, question.keys_of(Ref(study="1.2.3.4"))) == []


async def test_a_list_of_uids_is_walked_one_by_one(held: Held) -> None:
    keys: dict[Path, str] = {(0x0020000D,): f"1.2.3.4\\{held.study.uid}"}
    assert len(await listed(held.remote, Level.STUDY, keys)) == len(held.study.slices)


async def test_every_query_has_the_unique_keys_above_and_no_others() -> None:
    queries: list[tuple[Level, set[Path]]] = []

    async def script(one: Liar) -> None:
        await one.accept()
        while said := await one.message():
            read = identifier.parse(said.data, EXPLICIT_LE)
            queries.append((read.level, {path for path, value in read.keys.items() if value}))
            match: dict[Path, str] = {(0x0020000E,): "1.2.4"}
            if read.level is Level.IMAGE:
                match = {
                    (0x00080018,): "1.2.5",
                    (0x00080016,): "1.2.6",
                    (0x00083002,): IMPLICIT_LE,
                }
            one.say(
                answer(said, 0xFF00, with_data=True),
                question.encode(read.level, match, EXPLICIT_LE),
            )
            broken: dict[Path, str] = {(0x00080018,): "no uid", (0x0020000E,): ""}
            one.say(
                answer(said, 0xFF00, with_data=True),
                question.encode(read.level, broken, EXPLICIT_LE),
            )
            one.say(answer(said, 0xFF00, with_data=True), b"rubbish!!")
            one.say(answer(said, 0))

    async with lying(script) as port:
        keys: dict[Path, str] = {(0x0020000D,): "1.2.3", (0x00100020,): "7", (0x00100010,): "A"}
        found = await listed(calls(port, "LIAR"), Level.STUDY, keys)
    assert found == [Listed("1.2.5", "1.2.6", IMPLICIT_LE)]
    assert queries == [
        (Level.SERIES, {(0x0020000D,)}),
        (Level.IMAGE, {(0x0020000D,), (0x0020000E,)}),
    ]


async def test_a_peer_that_wants_more_keys_says_so() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0xA900))
        await one.message()

    async with lying(script) as port:
        with pytest.raises(BadQuery):
            await listed(calls(port, "LIAR"), Level.IMAGE, question.keys_of(Ref(instance="1.2")))
