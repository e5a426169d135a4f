import pytest
from pydantic import SecretStr
from tests.config.test_keys import Example

from hilum.config.environment import overrides, put
from hilum.config.schema import Settings

FILE = {
    "mounts": {
        "ARCHIVE": {},
        "PACS": {"backend": "dimse"},
        "CLOUD": {"backend": "dicomweb", "headers": {"X-Api-Key": {"env": "KEY"}}},
    },
    "peers": {"VIEWER": {"port": 1}, "PACS-1": {}, "pacs.two": {}},
}


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("HILUM_DIMSE__PORT", "104", "dimse.port", 104),
        ("HILUM_DIMSE__ACCEPT_UNKNOWN_CALLERS", "true", "dimse.accept_unknown_callers", True),
        ("HILUM_DIMSE__ACCEPT_UNKNOWN_CALLERS", "OFF", "dimse.accept_unknown_callers", False),
        ("HILUM_DIMSE__IDLE_TIMEOUT", "5m", "dimse.idle_timeout", "5m"),
        ("HILUM_server__aet", "123", "server.aet", "123"),
        ("HILUM_HTTP__PUBLIC_URL", "", "http.public_url", None),
        ("HILUM_MOUNTS__ARCHIVE__DURABILITY", "relaxed", "mounts.ARCHIVE.durability", "relaxed"),
        ("HILUM_MOUNTS__archive__DEFAULT", "yes", "mounts.ARCHIVE.default", True),
        ("HILUM_PEERS__VIEWER__PORT", "104", "peers.VIEWER.port", 104),
        ("HILUM_PEERS__PACS_1__PORT", "104", "peers.PACS-1.port", 104),
        ("HILUM_PEERS__PACS_TWO__PORT", "104", "peers.pacs.two.port", 104),
        ("HILUM_DIMSE__PORT", "12k", "dimse.port", "12k"),
        ("HILUM_MOUNTS__PACS__HOST", "pacs", "mounts.PACS.host", "pacs"),
        ("HILUM_MOUNTS__PACS__POOL__SIZE", "2", "mounts.PACS.pool.size", 2),
        ("HILUM_MOUNTS__PACS__CACHE__MAX_SIZE", "5GB", "mounts.PACS.cache.max_size", "5GB"),
        ("HILUM_MOUNTS__PACS__CACHE__MAX_SIZE", "", "mounts.PACS.cache.max_size", None),
        ("HILUM_MOUNTS__PACS__RECEIVERS", "A,B", "mounts.PACS.receivers", "A,B"),
        ("HILUM_MOUNTS__CLOUD__URL", "http://x", "mounts.CLOUD.url", "http://x"),
        ("HILUM_MOUNTS__ARCHIVE__BACKEND", "dimse", "mounts.ARCHIVE.backend", "dimse"),
    ],
)
def test_a_variable_sets_what_its_name_says(name: str, text: str, path: str, value: object) -> None:
    found = overrides(Settings, FILE, {name: text})
    assert not found.problems
    [(where, what)] = found.values.items()
    assert ".".join(where) == path
    assert what == value
    assert type(what) is type(value)
    assert found.names == {where: name}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HILUM_DIMSE__PROT", "HILUM_DIMSE__PORT"),
        ("HILUM_DIMSE_PORT", "HILUM_DIMSE__PORT"),
        ("HILUM_DIMS__PORT", "HILUM_DIMSE__PORT"),
        ("HILUM_MOUNTS__ARCHIV__DURABILITY", "HILUM_MOUNTS__ARCHIVE__DURABILITY"),
        ("HILUM_PEERS__VIEWR__PORT", "HILUM_PEERS__VIEWER__PORT"),
        ("HILUM_MOUNTS__PACS__POOL__SIZ", "HILUM_MOUNTS__PACS__POOL__SIZE"),
        ("HILUM_MOUNTS__PACS__POL__SIZE", "HILUM_MOUNTS__PACS__POOL__SIZE"),
        ("HILUM_MOUNTS__PACS__POOL", None),
        ("HILUM_MOUNTS__PACS__URL", None),
        ("HILUM_MOUNTS__ARCHIVE__HOST", None),
        ("HILUM_MOUNTS__CLOUD__HEADERS__X_API_KY", "HILUM_MOUNTS__CLOUD__HEADERS__X_API_KEY"),
        ("HILUM_MOUNTS__CLOUD__HEADERS", None),
        ("HILUM_PEERS__VIEWER", None),
        ("HILUM_DIMSE__PORT__FILE", None),
        ("HILUM_MOUNTS", None),
        ("HILUM_DIMSE", None),
        ("HILUM_", None),
    ],
)
def test_a_misspelt_variable_is_refused(name: str, hint: str | None) -> None:
    found = overrides(Settings, FILE, {name: "x"})
    assert not found.values
    [problem] = found.problems
    assert problem.startswith(f"{name}: no setting has this name")
    if hint:
        assert problem.endswith(f"did you mean {hint}?")


@pytest.mark.parametrize(
    "name",
    [
        "HILUM_CONFIG",
        "HILUM_SAMPLES",
        "OTHER__THING",
        "HILUMINATION",
        "HILUM_SERVICE_HOST",
        "HILUM_SERVICE_PORT_HTTP",
        "HILUM_PORT",
        "HILUM_PORT_8080_TCP_ADDR",
    ],
)
def test_other_variables_are_left_alone(name: str) -> None:
    found = overrides(Settings, FILE, {name: "tcp://10.0.0.1:80"})
    assert not found.values
    assert not found.problems


def test_two_spellings_of_one_setting_are_refused() -> None:
    found = overrides(Settings, FILE, {"HILUM_DIMSE__PORT": "1", "HILUM_dimse__port": "2"})
    assert found.problems == ["HILUM_dimse__port: HILUM_DIMSE__PORT sets dimse.port too"]


def test_a_secret_may_be_in_a_variable_or_where_a_variable_says() -> None:
    direct = overrides(Example, {}, {"HILUM_LOGIN__PASSWORD": "1234"})
    assert direct.values == {("login", "password"): SecretStr("1234")}
    assert "1234" not in repr(direct)
    file = overrides(Example, {}, {"HILUM_LOGIN__PASSWORD__FILE": "/run/x"})
    assert file.values == {("login", "password"): {"file": "/run/x"}}


def test_the_value_of_a_name_that_the_user_chose_may_be_a_secret_too() -> None:
    path = ("mounts", "CLOUD", "headers", "X-Api-Key")
    direct = overrides(Settings, FILE, {"HILUM_MOUNTS__CLOUD__HEADERS__X_API_KEY": "hush"})
    assert direct.values == {path: SecretStr("hush")}
    file = overrides(Settings, FILE, {"HILUM_MOUNTS__CLOUD__HEADERS__X_API_KEY__FILE": "/run/x"})
    assert file.values == {path: {"file": "/run/x"}}


def test_the_environment_may_also_say_of_what_kind_a_table_is() -> None:
    environ = {"HILUM_MOUNTS__ARCHIVE__AET": "X", "HILUM_MOUNTS__ARCHIVE__BACKEND": "dimse"}
    found = overrides(Settings, FILE, environ)
    assert not found.problems
    assert found.values[("mounts", "ARCHIVE", "aet")] == "X"


def test_a_value_is_put_where_its_path_says() -> None:
    table: dict[str, object] = {"a": {"b": 1}, "c": 2}
    put(table, ("a", "d", "e"), 3)
    put(table, ("c", "x"), 4)
    assert table == {"a": {"b": 1, "d": {"e": 3}}, "c": {"x": 4}}
