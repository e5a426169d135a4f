import pytest
from tests.config.test_schema import PACS, problems

from hilum.config.schema import Settings

ARCHIVE = {"ARCHIVE": {"default": True}}


def test_there_is_at_most_one_default_mount() -> None:
    text = problems({"mounts": {"A": {"default": True}, "B": {"default": True}}})
    assert "mounts.B.default: A is the default mount already" in text


def test_another_mount_than_the_one_named_like_the_server_cannot_be_the_default() -> None:
    text = problems({"mounts": {"HILUM": {}, "B": {"default": True}}})
    assert "mounts.B.default: HILUM is the default mount already" in text


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
    ("mount", "said"),
    [
        ({"fhir": {"poll": "5 min"}}, "fhir.poll: is for systems elsewhere"),
        ({"fhir": {"subscriptions": True}}, "fhir.subscriptions: has no effect"),
        ({**PACS, "fhir": {"poll": 60}}, "fhir.poll: has no effect"),
        ({**PACS, "fhir": {"subscriptions": True}}, "fhir.subscriptions: is for an archive"),
        (
            {**PACS, "forward_token": True, "fhir": {"poll": 60}},
            "fhir.poll: does not go with forward_token",
        ),
    ],
)
def test_changes_are_found_out_where_that_can_be(mount: dict[str, object], said: str) -> None:
    assert f"mounts.A.{said}" in problems({"mounts": {"A": mount}})
