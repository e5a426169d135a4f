import pytest
from pydantic import BaseModel, SecretStr

from hilum.config import keys
from hilum.config.schema import Settings


class Login(BaseModel):
    user: str = ""
    password: SecretStr | None = None


class Example(BaseModel):
    login: Login = Login()
    sites: dict[str, Login] = {}


def test_the_paths_of_all_values_are_known() -> None:
    assert [".".join(each) for each in keys.paths(Example)] == [
        "login.user",
        "login.password",
        "sites.*.user",
        "sites.*.password",
    ]


def test_a_key_knows_its_types_and_whether_there_may_be_none() -> None:
    found = keys.keys(Login)["password"]
    assert found == keys.Key(kinds=(SecretStr,), optional=True)


def test_what_no_key_has_is_found_at_any_depth() -> None:
    table = {"logn": {}, "login": {"usr": 1, "user": 2}, "sites": {"a": {"x": 1}, "b": 3}}
    assert list(keys.strange(Example, table)) == [("logn",), ("login", "usr"), ("sites", "a", "x")]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("dimse.prot", "dimse.port"),
        ("http.max_upload", "http.max_upload_size"),
        ("mount", "mounts"),
        ("mounts.ARCHIVE.defualt", "mounts.ARCHIVE.default"),
        ("peers.VIEWER.aet_", "peers.VIEWER.aet"),
        ("server.mode", "frontend.mode"),
        ("server.ports", "dimse.port"),
        ("xyzzy", None),
    ],
)
def test_the_nearest_right_key_is_named(wrong: str, right: str | None) -> None:
    meant = keys.meant(Settings, tuple(wrong.split(".")))
    assert (".".join(meant) if meant else None) == right
