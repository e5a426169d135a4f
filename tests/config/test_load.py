import errno
from pathlib import Path

import pytest
from pydantic import SecretStr

from hilum.cli.cert import made
from hilum.config.load import ConfigError, find, load
from hilum.config.mounts import DicomwebMount, DimseMount

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
    meant = [each for each in lines if " = " in each or each.startswith(("# [", "["))]
    text = "\n".join(each.removeprefix("# ") for each in meant)
    (tmp_path / "tls").mkdir()
    for name, content in zip(("cert.pem", "key.pem"), made(["localhost"]), strict=True):
        (tmp_path / "tls" / name).write_bytes(content)
    settings = load(written(tmp_path, text), {"ARCHIVE_TOKEN": "x"})
    assert settings.auth.enabled
    assert settings.tls_doors == ("http.tls",)
    assert settings.http.base_path == "/pacs"
    assert {each.backend for each in settings.mounts.values()} == {"archive", "dimse", "dicomweb"}
    assert settings.destinations


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


def test_a_file_in_a_folder_that_is_closed_to_us_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)  # root, who may run the tests, can read all
    with pytest.raises(ConfigError, match=r"c\.toml: cannot be read: Permission denied"):
        load(tmp_path / "c.toml", {})


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


TWO_FROM_THE_ISSUE = """
[mounts.PACS]
backend = "dimse"
aet = "ORTHANC"
host = "127.0.0.1"
port = 4242
retrieve = "get"
[mounts.CLOUD]
backend = "dicomweb"
url = "http://127.0.0.1:8042/dicom-web"
"""


def test_two_mounts_that_stand_for_others_are_configured_in_nine_lines(tmp_path: Path) -> None:
    mounts = load(written(tmp_path, TWO_FROM_THE_ISSUE), {}).mounts
    assert isinstance(mounts["PACS"], DimseMount)
    assert isinstance(mounts["CLOUD"], DicomwebMount)
    assert mounts["PACS"].retrieve == "get"
    assert mounts["PACS"].pool.size == 8


def test_the_environment_reaches_the_tables_of_a_mount(tmp_path: Path) -> None:
    environ = {
        "HILUM_MOUNTS__PACS__HOST": "pacs.example.org",
        "HILUM_MOUNTS__PACS__POOL__SIZE": "2",
        "HILUM_MOUNTS__PACS__CACHE__MAX_SIZE": "5GB",
        "HILUM_MOUNTS__CLOUD__BEARER__FILE": "token",
    }
    (tmp_path / "token").write_text("hush\n")
    mounts = load(written(tmp_path, TWO_FROM_THE_ISSUE), environ).mounts
    pacs, cloud = mounts["PACS"], mounts["CLOUD"]
    assert isinstance(pacs, DimseMount)
    assert isinstance(cloud, DicomwebMount)
    assert (pacs.host, pacs.pool.size, pacs.cache.max_size) == ("pacs.example.org", 2, 5 * 10**9)
    assert cloud.bearer == SecretStr("hush")


def test_a_mount_whose_kind_only_the_environment_says_is_of_that_kind(tmp_path: Path) -> None:
    text = '[mounts.PACS]\naet = "X"\nhost = "x"\n'
    environ = {"HILUM_MOUNTS__PACS__BACKEND": "dimse", "HILUM_MOUNTS__PACS__PORT": "104"}
    assert isinstance(load(written(tmp_path, text), environ).mounts["PACS"], DimseMount)


def test_a_kind_that_there_is_not_is_told_in_one_line(tmp_path: Path) -> None:
    one_of = 'should be one of "archive", "dimse", "dicomweb", "fhir"'
    text = """
[mounts.A]
backend = "dims"
host = "x"
pool = { size = 3 }
[mounts.B]
backend = "Dicom-Web"
[mounts.C]
backend = "s3"
[mounts.D]
backend = 3
"""
    assert problems(tmp_path, text, HILUM_MOUNTS__A__PORT="104") == [
        f'mounts.A.backend: {one_of} (it is "dims"); did you mean "dimse"?',
        f'mounts.B.backend: {one_of} (it is "Dicom-Web"); did you mean "dicomweb"?',
        f'mounts.C.backend: {one_of} (it is "s3")',
        f"mounts.D.backend: {one_of} (it is 3)",
    ]
    small = "[mounts.A]\n"
    [problem] = problems(tmp_path, small, HILUM_MOUNTS__A__BACKEND="dims")
    assert problem.startswith("HILUM_MOUNTS__A__BACKEND: mounts.A.backend: should be one of")


def test_everything_wrong_in_a_mount_is_told_by_its_plain_path(tmp_path: Path) -> None:
    text = """
[mounts.FORGOT]
host = "x"
pool = { size = 3 }
[mounts.PACS]
backend = "dimse"
aet = "X"
hots = "x"
pool = { siz = 3, timeout = "soon" }
[mounts.CLOUD]
backend = "dicomweb"
url = "https://me:hush@x"
wado_url = "https://x/studies"
headers = 3
cache.max_size = "much"
[mounts.OTHER]
backend = "dicomweb"
url = "https://x"
username = "me"
bearer = "hush"
ca_file = "nowhere.pem"
headers = { X-A = 3, X-B = { env = "NOT_THERE" } }
"""
    pointer = 'a secret does not stand in the file; write {env = "NAME"} or {file = "PATH"}'
    root = "a root is what stands before /studies: leave that out"
    size = 'not a size; write it like "128KB", "64KiB", "500MB" or "5GB"'
    assert problems(tmp_path, text) == [
        'mounts.FORGOT.host: unknown key here; it goes with backend = "dimse"',
        'mounts.FORGOT.pool: unknown key here; it goes with backend = "dimse"',
        "mounts.PACS.hots: unknown key; did you mean mounts.PACS.host?",
        "mounts.PACS.pool.siz: unknown key; did you mean mounts.PACS.pool.size?",
        f"mounts.OTHER.bearer: {pointer}",
        f"mounts.OTHER.headers.X-A: {pointer}",
        "mounts.OTHER.headers.X-B: the environment has no NOT_THERE",
        "mounts.PACS.host: is missing",
        "mounts.PACS.port: is missing",
        f'mounts.PACS.pool.timeout: {NOT_A_TIME} (it is "soon")',
        "mounts.CLOUD.headers: is a table, not a value",
        f'mounts.CLOUD.cache.max_size: {size} (it is "much")',
        "mounts.CLOUD.url: a user and password do not stand in a URL",
        f'mounts.CLOUD.wado_url: {root} (it is "https://x/studies")',
        f'mounts.OTHER.ca_file: there is no file {tmp_path / "nowhere.pem"} (it is "nowhere.pem")',
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[mounts.CLOUD]\nbackend = "dicomweb"\nurl = "https://me:hush@x"\n',
        '[mounts.CLOUD]\nbackend = "dicomweb"\nurl = "me:hush@x://https://me:hush@x"\n',
        '[mounts]\nCLOUD = "https://me:hush@x"\n',
        '[mounts.CLOUD]\nbackend = "https://me:hush@x"\n',
        '[mounts.CLOUD]\nbackend = "dicomweb"\nurl = "https://x"\nheaders = "hush"\n',
        '[mounts.CLOUD]\nbackend = "dicomweb"\nurl = "https://x"\nbearer = "hush"\n',
    ],
)
def test_what_may_be_a_secret_is_not_shown(tmp_path: Path, text: str) -> None:
    assert "hush" not in "".join(problems(tmp_path, text))


def test_a_login_that_is_not_whole_is_told_at_the_key_that_is_wrong(tmp_path: Path) -> None:
    text = (
        TWO_FROM_THE_ISSUE
        + """
username = "me"
bearer = { env = "LOGIN" }
[destinations.FAR]
url = "https://x"
password = { env = "LOGIN" }
"""
    )
    assert problems(tmp_path, text, LOGIN="hush") == [
        "mounts.CLOUD.password: is missing, as there is a username",
        "mounts.CLOUD.bearer: does not go with username: a request has one Authorization",
        "destinations.FAR.username: is missing, as there is a password",
    ]


@pytest.mark.parametrize(
    "text", [f"x = {'9' * 5000}", f"x = {5000 * '['}{5000 * ']'}", "x = 1979-13-01"]
)
def test_numbers_and_depths_beyond_bounds_are_told_of(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not TOML"):
        load(path, {})
