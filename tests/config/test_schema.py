from pathlib import Path

import pytest
from pydantic import ValidationError

from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, HttpSettings, Peer, Settings


def problems(table: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(table)
    return str(caught.value)


def test_the_name_of_a_mount_is_an_ae_title() -> None:
    assert "AE title" in problems({"mounts": {"A\\B": {}}})


def test_the_default_mount_is_the_flagged_one() -> None:
    settings = Settings(mounts={"A": ArchiveMount(), "B": ArchiveMount(default=True)})
    assert settings.default_mount == "B"


def test_the_mount_that_is_named_like_the_server_is_the_default() -> None:
    assert Settings(mounts={"A": ArchiveMount(), "HILUM": ArchiveMount()}).default_mount == "HILUM"


def test_there_need_not_be_a_default_mount() -> None:
    assert Settings(mounts={"A": ArchiveMount()}).default_mount is None


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


def test_a_destination_can_be_named_in_a_c_move() -> None:
    table = {"destinations": {"SEVENTEEN_LETTERS": {"url": "https://a.example/rs"}}}
    assert "at most 16 characters" in problems(table)


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
