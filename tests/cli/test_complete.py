from pathlib import Path

import pytest
from tests import warm
from tests.cli.process import environment, ran

CONFIG = """
[mounts.ARCHIVE]
default = true
[mounts.PACS]
backend = "dimse"
aet = "ORTHANC"
host = "pacs"
port = 104
[peers.VIEWER]
aet = "VIEWER_AE"
host = "10.0.0.1"
port = 104
"""


def completed(folder: Path, line: str, config: str = CONFIG) -> list[str]:
    """What a bash would be offered for the last word of a line."""
    path = folder / "config.toml"
    path.write_text(config)
    words = line.split(" ")
    env = environment(
        HILUM_CONFIG=str(path),
        _HILUM_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    if not warm.POSSIBLE:
        pytest.skip("needs a fork")
    done = warm.run([], env=env)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hilum conf", {"config", "conformance"}),
        ("hilum token re", {"revoke"}),
        ("hilum selftest --mount P", {"PACS"}),
        ("hilum explain --mount ", {"ARCHIVE", "PACS"}),
        ("hilum echo V", {"VIEWER"}),
        ("hilum probe ", {"VIEWER", "PACS"}),
        ("hilum move VIEWER --destination ", {"VIEWER_AE", "ARCHIVE", "PACS"}),
        ("hilum find VIEWER --lev", {"--level"}),
    ],
)
def test_names_of_the_configuration_are_offered(
    line: str, offered: set[str], tmp_path: Path
) -> None:
    assert set(completed(tmp_path, line)) == offered


def test_a_bad_configuration_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    assert completed(tmp_path, "hilum echo V", "no TOML") == []


def test_a_shell_is_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else the shell is found out that has started us, which is any.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = ran("--show-completion", "bash")
    assert "_HILUM_COMPLETE=complete_bash" in done.stdout + done.stderr
