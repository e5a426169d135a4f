from collections.abc import Sequence

import pytest
from tests.backends.dimse.trial.known import found, knowing
from tests.contract.made import made
from tests.quirky import Quirks

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.trial.doors import doors
from hilum.backends.dimse.trial.sample import sample
from hilum.backends.dimse.trial.text import guess, text

pytestmark = pytest.mark.anyio
LATIN, JAPANESE, CHINESE = "Müller^Jürgen", "Yamada^Tarou=山田^太郎", "Wang^XiaoDong=王^小东"


async def looked(name: str, quirks: Quirks) -> Known:
    async with knowing(quirks, [doors, sample], [made(PatientName=name), made(2)]) as (known, _):
        text(known)
    return known


@pytest.mark.parametrize(
    ("name", "charset", "expected"),
    [
        (LATIN, "ISO_IR 100", "ISO_IR 100"),
        (LATIN, "ISO_IR 192", "ISO_IR 192"),
        (JAPANESE, "\\ISO 2022 IR 87", "\\ISO 2022 IR 87"),
        (CHINESE, "GB18030", "GB18030"),
    ],
)
async def test_what_is_not_declared_is_guessed(name: str, charset: str, expected: str) -> None:
    known = await looked(name, Quirks(charset=charset))
    assert known.settings == {"charset": expected}
    said = found(known, "charset").text
    assert said.startswith("declares nothing; 1 of 2 answers have text without a declaration")
    assert name not in said


@pytest.mark.parametrize(
    ("name", "charset", "declares", "expected"),
    [
        (LATIN, "ISO_IR 192", "ISO_IR 100", "ISO_IR 192"),
        (LATIN, "ISO_IR 100", "ISO_IR 192", "ISO_IR 100"),
        (CHINESE, "GB18030", "ISO_IR 100", "GB18030"),
        (CHINESE, "GB18030", "ISO_IR 192", "GB18030"),
    ],
)
async def test_what_is_declared_wrongly_is_noticed(
    name: str, charset: str, declares: str, expected: str
) -> None:
    known = await looked(name, Quirks(charset=charset, declares=declares))
    assert known.settings == {"charset": expected}
    assert "not as declared" in found(known, "charset").text


async def test_no_setting_is_proposed_that_would_spoil_what_is_declared_rightly() -> None:
    known = await looked(LATIN, Quirks())
    wrong = await looked(CHINESE, Quirks(charset="GB18030", declares="ISO_IR 192"))
    known.studies.extend(wrong.studies)
    text(known)
    assert known.settings == {}
    assert "no setting is right for all" in known.findings[-1].text


@pytest.mark.parametrize("name", [LATIN, JAPANESE, CHINESE])
async def test_what_is_declared_is_good(name: str) -> None:
    known = await looked(name, Quirks())
    assert known.settings == {}
    assert "is written so" in found(known, "charset").text


async def test_nothing_beyond_ascii_tells_nothing() -> None:
    known = await looked("Doe^Jane", Quirks(charset="ISO_IR 100"))
    assert known.settings == {}
    assert found(known, "charset").value is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([b"M\xfcller"], "ISO_IR 100"),
        ([b"M\xc3\xbcller"], "ISO_IR 192"),
        ([b"\x83\x7d\x83\x43"], None),
        ([b"\x1b$)C\xb1\xe8"], "\\ISO 2022 IR 149"),
    ],
)
def test_what_bytes_look_like(raw: Sequence[bytes], expected: str | None) -> None:
    assert guess(raw) == expected
