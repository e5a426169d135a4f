import pytest
from tests.backends.dimse.conftest import Held, calls
from tests.contract.made import made, uid
from tests.liar import Liar, answer, lying
from tests.quirky import Quirks, quirky

from hilum.backends.dimse.find import CONTEXTS, RELATIONAL
from hilum.backends.dimse.survey import listed as list_of
from hilum.backends.dimse.survey import patient_of, survey
from hilum.codec import identifier, question
from hilum.codec.sop_class import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
)
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
    assert found == [
        Listed(
            "1.2.5",
            "1.2.6",
            IMPLICIT_LE,
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.4",
        )
    ]
    assert queries == [
        (Level.SERIES, {(0x0020000D,)}),
        (Level.IMAGE, {(0x0020000D,), (0x0020000E,)}),
        (Level.IMAGE, {(0x0020000D,), (0x0020000E,), (0x00080018,)}),  # of which class, of one
        (Level.IMAGE, {(0x0020000D,), (0x0020000E,)}),  # of all, as it tells even the syntax
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


@pytest.mark.parametrize(
    ("quirks", "ref", "count"),
    [
        (Quirks(), Ref(study=uid(1)), 2),
        (Quirks(), Ref(study=uid(9)), 0),
        (Quirks(), Ref(study=uid(1), series=uid(1, 9)), 0),
        (Quirks(agrees=True, relational=False), Ref(study=uid(1)), 2),
        (Quirks(ignores=frozenset((0x0020000D, 0x0020000E))), Ref(study=uid(1)), 2),
        (Quirks(no_image_level=True), Ref(study=uid(1)), None),
        (Quirks(cap=0), Ref(study=uid(1)), 0),
        # an instance that is not listed, in a series that is there, may be there all the same
        (Quirks(), Ref(study=uid(1), series=uid(1, 1), instance="1.2.3"), None),
        (Quirks(), Ref(study=uid(9), series=uid(9, 1), instance="1.2.3"), 0),
        (Quirks(), Ref(instance="1.2.3"), None),
    ],
)
async def test_an_empty_list_is_believed_where_the_peer_knows_nothing_above_either(
    quirks: Quirks, ref: Ref, count: int | None
) -> None:
    held = [made(1, 1, 1), made(1, 2, 1), made(2, 1, 1)]
    with quirky(held, quirks) as pacs:
        extended = dict.fromkeys((STUDY_ROOT_FIND, PATIENT_ROOT_FIND), RELATIONAL)
        remote = calls(pacs.port, pacs.aet)
        async with associate(remote, CONTEXTS, extended=extended) as association:
            found = await list_of(association, ref.level, question.keys_of(ref))
    assert (None if found is None else len(found)) == count
    assert all(each.study_instance_uid == uid(1) for each in found or ())


async def test_relational_queries_ask_once_for_the_instances_and_once_for_their_classes() -> None:
    held = [made(1, each, 1) for each in range(1, 6)]
    with quirky(held) as pacs:
        extended = {STUDY_ROOT_FIND: RELATIONAL}
        remote = calls(pacs.port, pacs.aet)
        async with associate(remote, CONTEXTS, extended=extended) as association:
            found = await list_of(association, Level.STUDY, question.keys_of(Ref(study=uid(1))))
        assert found is not None
        assert {each.series_instance_uid for each in found} == {uid(1, at) for at in range(1, 6)}
        assert len(pacs.of("C-FIND")) == 2


async def test_the_patient_of_a_study_is_found() -> None:
    with quirky([made(1, 1, 1)]) as pacs:
        async with associate(calls(pacs.port, pacs.aet), CONTEXTS) as association:
            assert await patient_of(association, uid(1)) in ("P1", None)
            assert await patient_of(association, "1.2.3") is None
