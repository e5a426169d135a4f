from pathlib import Path

import pytest
from pydantic import ValidationError

from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, HttpSettings, Peer, Settings

ARCHIVE = {"ARCHIVE": {"default": True}}


def problems(table: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(table)
    return str(caught.value)


def test_the_name_of_a_mount_is_an_ae_title() -> None:
    assert "AE title" in problems({"mounts": {"A\\B": {}}})


def test_there_is_at_most_one_default_mount() -> None:
    text = problems({"mounts": {"A": {"default": True}, "B": {"default": True}}})
    assert "mounts.B.default: A is the default mount already" in text


def test_another_mount_than_the_one_named_like_the_server_cannot_be_the_default() -> None:
    text = problems({"mounts": {"HILUM": {}, "B": {"default": True}}})
    assert "mounts.B.default: HILUM is the default mount already" in text


def test_the_default_mount_is_the_flagged_one() -> None:
    settings = Settings(mounts={"A": ArchiveMount(), "B": ArchiveMount(default=True)})
    assert settings.default_mount == "B"


def test_the_mount_that_is_named_like_the_server_is_the_default() -> None:
    assert Settings(mounts={"A": ArchiveMount(), "HILUM": ArchiveMount()}).default_mount == "HILUM"


def test_there_need_not_be_a_default_mount() -> None:
    assert Settings(mounts={"A": ArchiveMount()}).default_mount is None


@pytest.mark.parametrize(
    ("aet", "holder"),
    [("HILUM", "server.aet"), ("ARCHIVE", "mounts.ARCHIVE"), ("V", "peers.a.aet")],
)
def test_one_ae_title_names_one_thing(aet: str, holder: str) -> None:
    peers = {
        "a": {"aet": "V", "host": "h", "port": 1},
        "b": {"aet": aet, "host": "h", "port": 1},
    }
    text = problems({"mounts": ARCHIVE, "peers": peers})
    assert f"peers.b.aet: {holder} has the same AE title" in text


def test_two_mounts_do_not_share_a_folder() -> None:
    mounts = {"A": {"path": "x"}, "B": {"path": "x"}}
    assert "mounts.B.path: mounts.A has the same folder" in problems({"mounts": mounts})


def test_two_doors_do_not_share_a_port_unless_it_is_any() -> None:
    same = {"dimse": {"port": 104}, "http": {"port": 104}}
    assert "http.port: dimse.port is 104 too" in problems(same)
    Settings.model_validate(same | {"frontend": {"mode": "http"}})
    Settings.model_validate({"dimse": {"port": 0}, "http": {"port": 0}})


@pytest.mark.parametrize("port", [-1, 65536, "104", 1.0, True])
def test_a_port_is_a_number_that_a_port_can_have(port: object) -> None:
    problems({"dimse": {"port": port}})


def test_nobody_can_be_called_at_port_nothing() -> None:
    problems({"peers": {"V": {"aet": "V", "host": "h", "port": 0}}})


@pytest.mark.parametrize(
    ("name", "folder"),
    [("ARCHIVE", "ARCHIVE"), ("..", "%2E%2E"), ("a/../b", "a%2F%2E%2E%2Fb"), ("A B", "A B")],
)
def test_the_folder_of_a_mount_stays_within_the_data_folder(name: str, folder: str) -> None:
    settings = Settings.model_validate({"server": {"data": "d"}, "mounts": {name: {}}})
    assert settings.folder(name) == Path("d/archive") / folder


def test_a_mount_may_have_a_folder_of_its_own() -> None:
    settings = Settings.model_validate({"mounts": {"A": {"path": "/srv/a"}}})
    assert settings.folder("A") == Path("/srv/a")


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("/", ""), ("pacs", "/pacs"), ("/a/b/", "/a/b")]
)
def test_a_base_path_begins_with_a_slash_and_does_not_end_with_one(
    text: str, expected: str
) -> None:
    assert Settings.model_validate({"http": {"base_path": text}}).http.base_path == expected


def test_a_public_url_is_a_base_url() -> None:
    http = Settings.model_validate({"http": {"public_url": "https://a.example/x/"}}).http
    assert http.public_url == "https://a.example/x"
    for text in ("a.example", "ftp://a.example", "https://", "https://a.example/?x"):
        problems({"http": {"public_url": text}})


def test_a_list_of_uids_holds_uids() -> None:
    uid = "1.2.840.10008.5.1.4.1.1.2"
    assert Settings.model_validate({"dimse": {"sop_classes": [uid]}}).dimse.sop_classes == (uid,)
    problems({"dimse": {"sop_classes": ["CT"]}})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().server.aet = "OTHER"


def test_a_peer_needs_title_host_and_port() -> None:
    assert Peer(aet="V", host="[::1]", port=104).host == "::1"
    text = problems({"peers": {"V": {}}})
    assert all(f"peers.V.{key}" in text for key in ("aet", "host", "port"))


@pytest.mark.parametrize("size", ["1", 63, -1])
def test_a_pdu_has_room_for_something(size: object) -> None:
    with pytest.raises(ValidationError):
        DimseSettings.model_validate({"max_pdu": size})
    assert DimseSettings.model_validate({"max_pdu": 0}).max_pdu == 0


PACS = {"backend": "dimse", "aet": "PACS", "host": "pacs", "port": 104}
CLOUD = {"backend": "dicomweb", "url": "http://127.0.0.1:8042/dicom-web"}


@pytest.mark.parametrize("mount", [{}, PACS, CLOUD])
def test_any_kind_of_mount_can_be_the_default(mount: dict[str, object]) -> None:
    settings = Settings.model_validate({"mounts": {"A": {}, "B": {**mount, "default": True}}})
    assert settings.default_mount == "B"
    assert Settings.model_validate({"mounts": {"A": {}, "HILUM": mount}}).default_mount == "HILUM"


def test_only_archives_have_folders() -> None:
    settings = Settings.model_validate({"mounts": {"A": {}, "B": PACS, "C": CLOUD}})
    assert list(settings.archives) == ["A"]


def test_what_is_retrieved_goes_through_a_folder_of_the_mount() -> None:
    settings = Settings.model_validate({"server": {"data": "d"}, "mounts": {"a/b": PACS}})
    assert settings.spool("a/b") == Path("d/spool/a%2Fb")


def test_a_c_move_to_ourselves_needs_the_door_that_it_comes_in_by() -> None:
    web = {"frontend": {"mode": "http"}}
    for retrieve in ("auto", "get"):
        Settings.model_validate(web | {"mounts": {"A": {**PACS, "retrieve": retrieve}}})
    moving = {"mounts": {"A": {**PACS, "retrieve": "move"}}}
    assert 'mounts.A.retrieve: "move" needs the DIMSE door' in problems(web | moving)
    Settings.model_validate(moving)


def test_a_receiver_may_be_any_title_of_ours() -> None:
    mounts = {
        "ARCHIVE": {},
        "A": {**PACS, "receivers": ["HILUM", "ARCHIVE", "A", "R1"]},
        "B": {**PACS, "receivers": ["R1"]},
    }
    Settings.model_validate({"mounts": mounts})


@pytest.mark.parametrize(
    ("receiver", "holder"),
    [("V", "peers.a.aet"), ("CLOUD", "destinations.CLOUD"), ("PACS", "mounts.A.aet")],
)
def test_a_receiver_is_no_title_of_others(receiver: str, holder: str) -> None:
    table = {
        "mounts": {"A": {**PACS, "receivers": ["R1", receiver]}},
        "peers": {"a": {"aet": "V", "host": "h", "port": 1}},
        "destinations": {"CLOUD": {"url": "https://a.example/rs"}},
    }
    told = f"mounts.A.receivers: {receiver} is no title of ours but {holder}"
    assert told in problems(table)


def test_the_pacs_behind_a_mount_may_be_a_peer_too_and_the_mount_may_have_its_name() -> None:
    peers = {"pacs": {"aet": "PACS", "host": "pacs", "port": 104}}
    Settings.model_validate({"mounts": {"A": PACS}, "peers": peers})
    Settings.model_validate({"mounts": {"PACS": PACS}})


@pytest.mark.parametrize(
    ("name", "holder"),
    [("HILUM", "server.aet"), ("ARCHIVE", "mounts.ARCHIVE"), ("V", "peers.a.aet")],
)
def test_a_destination_has_a_name_that_nothing_else_has(name: str, holder: str) -> None:
    table = {
        "mounts": ARCHIVE,
        "peers": {"a": {"aet": "V", "host": "h", "port": 1}},
        "destinations": {name: {"url": "https://a.example/rs"}},
    }
    assert f"destinations.{name}: {holder} has the same name" in problems(table)


def test_a_destination_can_be_named_in_a_c_move() -> None:
    table = {"destinations": {"SEVENTEEN_LETTERS": {"url": "https://a.example/rs"}}}
    assert "at most 16 characters" in problems(table)


@pytest.mark.parametrize(("aet", "port", "default"), [("A", 11112, False), ("HILUM", 11112, True)])
def test_a_pacs_is_not_ourselves(aet: str, port: int, default: bool) -> None:  # noqa: FBT001 - a table of cases
    mount = {**PACS, "aet": aet, "host": "localhost", "port": port, "default": default}
    assert "mounts.A: stands for itself" in problems({"mounts": {"A": mount}})
    Settings.model_validate({"mounts": {"A": mount}, "dimse": {"port": 104}})
    Settings.model_validate({"mounts": {"A": mount}, "frontend": {"mode": "http"}})


@pytest.mark.parametrize(
    ("path", "base", "default"),
    [("/aets/A", "", False), ("/dicomweb", "", True), ("/x/dicomweb", "/x", True)],
)
def test_an_origin_is_not_ourselves(path: str, base: str, default: bool) -> None:  # noqa: FBT001 - a table of cases
    mount = {"backend": "dicomweb", "url": f"http://127.0.0.1:8080{path}", "default": default}
    table = {"mounts": {"A": mount}, "http": {"base_path": base}}
    assert "mounts.A: stands for itself" in problems(table)
    Settings.model_validate({"mounts": {"A": mount}, "http": {"port": 8081}})


def test_one_mount_may_stand_for_another() -> None:
    other = {"backend": "dicomweb", "url": "http://127.0.0.1:8080/aets/ARCHIVE"}
    Settings.model_validate({"mounts": {"ARCHIVE": {}, "B": other}})


def test_several_processes_serve_together_where_the_system_lets_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {"server": {"workers": 2}, "mounts": {"A": {}}}
    monkeypatch.setattr("sys.platform", "linux")
    assert Settings.model_validate(table).server.workers == 2
    monkeypatch.setattr("sys.platform", "win32")
    assert "server.workers: Windows does not let" in problems(table)
    assert "leave it at 1" in problems(table)
    Settings.model_validate({"server": {"workers": 1}, "mounts": {"A": {}}})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://viewer.example.org", "https://viewer.example.org"),
        (" HTTPS://Viewer.Example.org:443/ ", "https://viewer.example.org"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("app://local", "app://local"),
        ("*", "*"),
    ],
)
def test_an_origin_is_what_browsers_write(written: str, meant: str) -> None:
    assert HttpSettings(cors_origins=(written,)).cors_origins == (meant,)


@pytest.mark.parametrize(
    "written", ["viewer.example.org", "https://a/b", "", "https://a,b", "null"]
)
def test_what_is_no_origin_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="not an origin"):
        HttpSettings(cors_origins=(written,))


def test_credentials_do_not_go_with_every_origin() -> None:
    with pytest.raises(ValidationError, match="cors_credentials: does not go with"):
        HttpSettings(cors_origins=("*",), cors_credentials=True)
