import json

import pytest
from tests.backends.dicomweb.served import Answers, by_path, lying, origin, said
from tests.backends.dicomweb.wire import house, listed
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.dicomweb.wanted import LISTED_FIRST, Expected, expected, resolved
from hilum.model import errors
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio
STUDY = Ref(uid(1))
NOT_ONE = said(200, b"[]")


async def asked(answers: Answers, *refs: Ref) -> tuple[Expected, list[str]]:
    async with lying(answers) as liar, origin(liar.url) as cloud:
        return await expected(cloud._asking, refs), liar.targets


async def found(answers: Answers, *refs: Ref) -> list[Ref]:
    async with lying(answers) as liar, origin(liar.url) as cloud:
        return await resolved(cloud._asking, refs)


def counted(count: object, study: int = 1) -> bytes:
    one = {
        "0020000D": {"vr": "UI", "Value": [uid(study)]},
        "0020000E": {"vr": "UI", "Value": [uid(study, 1)]},
        "00201208": {"vr": "IS", "Value": [count]},
        "00201209": {"vr": "IS", "Value": [count]},
    }
    return said(200, json.dumps([one]).encode())


async def test_few_instances_are_known_by_name() -> None:
    answers = by_path({"/instances": listed(*house(), **{"00083002": "1.2.840.10008.1.2.4.90"})})
    what, _ = await asked(answers, STUDY)
    assert what.listed is not None
    assert list(what.listed) == [uid(1, 1, number) for number in (1, 2, 3)]
    one = what.listed[uid(1, 1, 1)]
    assert one.sop_class_uid == made.CT
    assert one.transfer_syntax_uid == "1.2.840.10008.1.2.4.90"
    assert (one.study_instance_uid, one.series_instance_uid) == (uid(1), uid(1, 1))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "nonsense"])
async def test_what_is_not_given_as_it_is_kept_has_no_syntax_yet(syntax: str) -> None:
    what, _ = await asked(by_path({"/instances": listed(*house(), **{"00083002": syntax})}), STUDY)
    assert what.listed is not None
    assert {each.transfer_syntax_uid for each in what.listed.values()} == {None}


@pytest.mark.parametrize("count", [LISTED_FIRST + 1, str(LISTED_FIRST + 1)])
@pytest.mark.parametrize("ref", [STUDY, Ref(uid(1), uid(1, 1))])
async def test_many_are_only_counted(ref: Ref, count: object) -> None:
    answers = by_path({"/studies": counted(count), "/series": counted(count)})
    what, targets = await asked(answers, ref)
    assert what == Expected(None, count=LISTED_FIRST + 1)
    assert len(targets) == 1


@pytest.mark.parametrize("count", [None, "many", -1, 3])
async def test_where_a_count_says_nothing_names_are_asked_for(count: object) -> None:
    answers = by_path({"/studies": counted(count), "/instances": listed(*house())})
    what, _ = await asked(answers, STUDY)
    assert what.listed is not None
    assert len(what.listed) == 3


async def test_a_count_of_another_study_is_not_believed() -> None:
    answers = by_path({"/studies": counted(5000, 2), "/instances": listed(*house())})
    what, _ = await asked(answers, STUDY)
    assert what.listed is not None


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
async def test_a_server_that_cannot_be_asked_is_not_an_error(status: int) -> None:
    what, _ = await asked(by_path({}, said(status)), STUDY)
    assert not what.listed


async def test_a_server_without_instances_of_a_study_is_asked_series_by_series() -> None:
    series = said(200, json.dumps([{"0020000E": {"vr": "UI", "Value": [uid(1, 1)]}}]).encode())
    one, two, _ = house()
    answers = by_path({
        f"/studies/{uid(1)}/series": series,
        f"/series/{uid(1, 1)}/instances": listed(one, two),
    })  # fmt: skip
    what, _ = await asked(answers, STUDY)
    assert what.listed is not None
    assert len(what.listed) == 2


async def test_what_a_server_gives_beyond_the_question_does_not_count() -> None:
    answers = by_path({"/instances": listed(*house(), made.made(1, 2, 1), made.made(2))})
    what, _ = await asked(answers, Ref(uid(1), uid(1, 1)))
    assert what.listed is not None
    assert len(what.listed) == 3
    some, _ = await asked(
        answers, Ref(uid(1), uid(1, 1), uid(1, 1, 2)), Ref(uid(1), uid(1, 1), uid(1, 1, 3))
    )
    assert some.listed is not None
    assert list(some.listed) == [uid(1, 1, 2), uid(1, 1, 3)]


async def test_instances_of_another_patient_are_named() -> None:
    ours = json.loads(listed(*house()).partition(b"\r\n\r\n")[2])
    for each, patient in zip(ours, ("P1", "P1 ", "P2"), strict=True):
        each["00100020"] = {"vr": "LO", "Value": [patient]}
    answers = by_path({"/instances": said(200, json.dumps(ours).encode())})
    what, _ = await asked(answers, Ref(uid(1), patient="P1"))
    assert what.listed is not None
    assert list(what.listed) == [uid(1, 1, 1), uid(1, 1, 2)]
    assert what.others == {uid(1, 1, 3)}


async def test_what_has_all_its_keys_is_not_asked_about() -> None:
    refs = [STUDY, Ref(uid(1), uid(1, 1)), STUDY]
    assert await found(by_path({}), *refs) == refs[:2]


async def test_an_instance_alone_is_looked_up() -> None:
    answers = by_path({"/instances": listed(*house())})
    assert await found(answers, Ref(instance=uid(1, 1, 2))) == [
        Ref(uid(1), uid(1, 1), uid(1, 1, 2))
    ]
    assert await found(answers, Ref(instance="1.9")) == []
    assert await found(answers, Ref(uid(1), instance=uid(1, 1, 2))) == [
        Ref(uid(1), uid(1, 1), uid(1, 1, 2))
    ]


async def test_a_series_alone_is_looked_up() -> None:
    assert await found(by_path({"/series": counted(3)}), Ref(series=uid(1, 1))) == [
        Ref(uid(1), uid(1, 1))
    ]


@pytest.mark.parametrize(("patient", "count"), [("P1", 1), ("P*", 0), ("P", 0)])
async def test_the_studies_of_a_patient_are_those_that_say_so(patient: str, count: int) -> None:
    one = {
        "0020000D": {"vr": "UI", "Value": [uid(1)]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
    }
    other = {"0020000D": {"vr": "UI", "Value": [uid(2)]}}
    answers = by_path({"/studies": said(200, json.dumps([one, other]).encode())})
    assert len(await found(answers, Ref(patient=patient))) == count


async def test_what_cannot_be_looked_up_is_an_error() -> None:
    with pytest.raises(errors.NotOffered):
        await found(by_path({}), Ref(instance=uid(1, 1, 2)))
