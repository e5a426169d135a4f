from pathlib import Path

import pytest

from hilum.config.load import ConfigError, find, load

SHIPPED = Path(__file__).parents[2] / "config.toml"
SMALL = "[mounts.ARCHIVE]\ndefault = true\n"
NOT_A_TIME = 'not a time; write it like "500ms", "30s", "10m" or "1h"'
FROM_THE_ISSUE = """
[server]
aet = "HILUM"
data = "./data"
[frontend]
mode = "both"                      # "dimse", "http"
[dimse]
bind = "127.0.0.1"
port = 11112
accept_unknown_callers = false
[http]
bind = "127.0.0.1"
port = 8080
[mounts.ARCHIVE]
backend = "archive"
default = true
[peers.VIEWER]                     # who may call us, and where C-MOVE may send
aet = "VIEWER"
host = "127.0.0.1"
port = 11113
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ)
    prefix = f"{folder / 'config.toml'}: "
    return [each.removeprefix(prefix) for each in caught.value.problems]


def test_the_shipped_file_says_the_same_as_the_smallest_one(tmp_path: Path) -> None:
    shipped = load(SHIPPED, {})
    issue = load(written(tmp_path, FROM_THE_ISSUE), {})
    assert shipped.server.data == SHIPPED.parent / "data"
    assert shipped.model_dump(exclude={"server": {"data"}}) == issue.model_dump(
        exclude={"server": {"data"}}
    )
    small = load(written(tmp_path, SMALL), {})
    assert issue.model_dump(exclude={"peers"}) == small.model_dump(exclude={"peers"})


def test_what_the_shipped_file_has_commented_out_would_work(tmp_path: Path) -> None:
    lines = SHIPPED.read_text().splitlines()
    text = "\n".join(each.removeprefix("# ") if " = " in each else each for each in lines)
    settings = load(written(tmp_path, text), {})
    assert settings.http.base_path == "/pacs"


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL + 'path = "images"\n')
    settings = load(path, {"HILUM_SERVER__DATA": "elsewhere"})
    assert settings.server.data == tmp_path / "elsewhere"
    assert settings.folder("ARCHIVE") == tmp_path / "images"


def test_the_default_data_folder_is_beside_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, SMALL), {}).server.data == tmp_path / "data"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        load(tmp_path / "nowhere.toml", {})


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    assert find(None, {"HILUM_CONFIG": str(path)}) == path
    with pytest.raises(ConfigError, match="there is no such file"):
        find(None, {"HILUM_CONFIG": str(tmp_path / "x")})


def test_without_a_name_it_is_the_one_here_or_an_error_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--config FILE"):
        find(None, {})
    written(tmp_path, SMALL)
    assert find(None, {}) == Path("config.toml")
    assert load(None, {}).server.data == tmp_path / "data"


def test_a_syntax_error_has_file_and_line(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[server]\naet = HILUM\n")
    assert problem.startswith("not TOML: ")
    assert "line 2" in problem


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'[server]\naet = "K\xd6LN"\n')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(path, {})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SMALL, encoding="utf-8-sig")
    assert load(path, {}).default_mount == "ARCHIVE"


def test_everything_wrong_is_told_at_once_one_line_each(tmp_path: Path) -> None:
    text = """
[server]
prot = 3
[frontend]
mode = "bth"
[dimse]
port = "11112"
idle_timeout = "3 parsec"
[http]
port = 80800
[mounts.ARCHIVE]
defualt = true
[peers.VIEWER]
aet = "VIEWER"
host = "127.0.0.1"
"""
    assert problems(tmp_path, text, HILUM_DIMSE__BND="x") == [
        "server.prot: unknown key; did you mean dimse.port?",
        "mounts.ARCHIVE.defualt: unknown key; did you mean mounts.ARCHIVE.default?",
        "HILUM_DIMSE__BND: no setting has this name; did you mean HILUM_DIMSE__BIND?",
        "frontend.mode: should be 'both', 'dimse' or 'http' (it is \"bth\")",
        'dimse.port: is a whole number, without quotes (it is "11112")',
        f'dimse.idle_timeout: {NOT_A_TIME} (it is "3 parsec")',
        "http.port: should be less than or equal to 65535 (it is 80800)",
        "peers.VIEWER.port: is missing",
    ]


def test_what_does_not_go_together_is_told_too(tmp_path: Path) -> None:
    text = SMALL + '[peers.A]\naet = "HILUM"\nhost = "h"\nport = 1\n[dimse]\nport = 8080\n'
    assert problems(tmp_path, text) == [
        "peers.A.aet: server.aet has the same AE title",
        "http.port: dimse.port is 8080 too",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server = 3\n", "server: is a table, not a value (it is 3)"),
        ("mounts = 3\n", "mounts: is a table of tables, not a value (it is 3)"),
        ("[mounts]\nARCHIVE = 1\n", "mounts.ARCHIVE: is a table, not a value (it is 1)"),
    ],
)
def test_a_value_in_the_place_of_a_table_is_told(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems(tmp_path, text)


def test_a_wrong_value_in_the_environment_names_its_variable(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, SMALL, HILUM_DIMSE__PORT="12k")
    assert problem == (
        'HILUM_DIMSE__PORT: dimse.port: is a whole number, without quotes (it is "12k")'
    )


def test_a_configuration_without_mounts_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["mounts: there is none; add [mounts.ARCHIVE]"]
