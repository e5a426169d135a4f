from pathlib import Path

import pytest
from tests import peers
from tests.liar import Liar, lying

from hilum.cli.scu.calling import associated, whom
from hilum.cli.scu.ending import Misuse, NoConnection
from hilum.codec import pdu
from hilum.codec.sop_class import IMPLICIT_LE, VERIFICATION

CONFIG = """
[server]
aet = "US"
[mounts.ARCHIVE]
[peers.PACS]
aet = "BIG_PACS"
host = "pacs.example"
port = 104
connect_timeout = "3s"
[mounts.FAR]
backend = "dimse"
aet = "FAR_PACS"
host = "far.example"
port = 4242
calling = "GATE"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the one that is named."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("HILUM_CONFIG", raising=False)


@pytest.mark.parametrize(
    ("text", "called", "host", "port"),
    [
        ("localhost:104", "ANY-SCP", "localhost", 104),
        ("10.0.0.7:11112", "ANY-SCP", "10.0.0.7", 11112),
        ("PACS@10.0.0.7:104", "PACS", "10.0.0.7", 104),
        ("[::1]:104", "ANY-SCP", "::1", 104),
        ("MY PACS@[fe80::1]:104", "MY PACS", "fe80::1", 104),
    ],
)
def test_a_place_needs_no_configuration(text: str, called: str, host: str, port: int) -> None:
    to = whom(text, None)
    assert (to.called, to.host, to.port, to.calling) == (called, host, port, "HILUM")


@pytest.mark.parametrize("name", ["PACS", "BIG_PACS"])
def test_a_peer_is_called_by_its_name_or_title(config: Path, name: str) -> None:
    to = whom(name, config)
    assert (to.called, to.host, to.port, to.calling) == ("BIG_PACS", "pacs.example", 104, "US")
    assert to.connect_timeout == 3.0


def test_a_mount_is_the_pacs_behind_it(config: Path) -> None:
    to = whom("FAR", config, timeout=2.0)
    assert (to.host, to.port, to.called, to.calling) == ("far.example", 4242, "FAR_PACS", "GATE")
    assert (to.connect_timeout, to.timeouts.message) == (2.0, 2.0)
    to = whom("FAR", config, called="OTHER", calling="WE")
    assert (to.called, to.calling) == ("OTHER", "WE")


def test_options_go_before_the_configuration(config: Path) -> None:
    to = whom("PACS", config, "OTHER", "ME", 7.0)
    assert (to.called, to.calling) == ("OTHER", "ME")
    assert (to.connect_timeout, to.timeouts.acse, to.timeouts.message) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NOBODY", "no peer is called NOBODY; there is PACS, FAR. Or write HOST:PORT"),
        ("host:0", "port"),
        ("host:70000", "port"),
        ("A_VERY_LONG_AE_TITLE@host:104", "at most 16 characters"),
    ],
)
def test_what_cannot_be_called_is_told(config: Path, name: str, words: str) -> None:
    with pytest.raises(Misuse, match=words):
        whom(name, config)


@pytest.mark.parametrize("title", ["", "SEVENTEEN_LETTERS", "A\\B"])
def test_an_ae_title_that_cannot_be_one_is_refused(title: str) -> None:
    with pytest.raises(Misuse):
        whom("host:104", None, None, title or "  ")


def test_a_name_without_a_configuration_says_what_to_do() -> None:
    with pytest.raises(Misuse, match="HOST:PORT"):
        whom("PACS", None)


def test_a_broken_configuration_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    broken = tmp_path / "empty" / "config.toml"
    broken.write_text("[server\n")
    assert whom("host:104", None).calling == "HILUM"
    with pytest.raises(Misuse, match="not TOML"):
        whom("host:104", broken)
    with pytest.raises(Misuse, match="not TOML"):
        whom("PACS", None)


@pytest.mark.anyio
async def test_who_cannot_be_reached_gives_no_connection() -> None:
    to = whom(f"127.0.0.1:{peers.free_port()}", None)
    with pytest.raises(NoConnection, match="Connection refused"):
        async with associated(to, [(VERIFICATION, (IMPLICIT_LE,))]):
            pytest.fail("nobody is there")


@pytest.mark.anyio
async def test_who_rejects_gives_no_connection() -> None:
    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(pdu.encode(pdu.Rejected(1, 1, 7)))

    async with lying(script) as port:
        with pytest.raises(NoConnection, match="called AE title not recognized"):
            async with associated(
                whom(f"127.0.0.1:{port}", None), [(VERIFICATION, (IMPLICIT_LE,))]
            ):
                pytest.fail("it was rejected")
