from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, SecretStr, Tag

from hilum.config import keys
from hilum.config.schema import Settings


class Login(BaseModel):
    user: str = ""
    password: SecretStr | None = None
    extra: dict[str, str | SecretStr] = {}


class Round(BaseModel):
    backend: Literal["round"] = "round"
    radius: int = 1


class Square(BaseModel):
    backend: Literal["square"]
    side: int
    login: Login = Login()


def backend_of(value: Any) -> str:
    return value.get("backend", "round") if isinstance(value, dict) else value.backend


class Example(BaseModel):
    login: Login = Login()
    shapes: dict[
        str,
        Annotated[
            Annotated[Round, Tag("round")] | Annotated[Square, Tag("square")],
            Discriminator(backend_of),
        ],
    ] = {}


FILE = {"mounts": {"ARCHIVE": {}, "PACS": {"backend": "dimse"}}, "peers": {"VIEWER": {}}}


def spelt(paths: Iterable[keys.Path]) -> list[str]:
    return [".".join(each) for each in paths]


def test_the_paths_of_all_values_are_known_where_names_are_not_chosen_yet() -> None:
    assert spelt(keys.paths((Example,), {})) == [
        "login.user",
        "login.password",
        "login.extra.*",
        "shapes.*.backend",
        "shapes.*.radius",
    ]


def test_the_paths_of_a_file_have_its_names_and_the_keys_of_their_kinds() -> None:
    content = {"shapes": {"a": {}, "b": {"backend": "square"}}, "login": {"extra": {"x": "y"}}}
    found = spelt(keys.paths((Example,), content))
    assert "login.extra.x" in found
    assert [each for each in found if each.startswith("shapes.a.")] == [
        "shapes.a.backend",
        "shapes.a.radius",
    ]
    assert "shapes.b.side" in found
    assert "shapes.b.radius" not in found


def test_a_key_knows_its_types_and_whether_there_may_be_none() -> None:
    found = keys.keys(Login)["password"]
    assert found == keys.Key(kinds=(SecretStr,), optional=True)
    assert keys.keys(Login)["extra"] == keys.Key(kinds=(str, SecretStr), named=True)


@pytest.mark.parametrize(
    ("table", "sections"),
    [
        ({}, (Round,)),
        ({"backend": "round"}, (Round,)),
        ({"backend": "square"}, (Square,)),
        ({"backend": "oval"}, (Round, Square)),
        ({"backend": 3}, (Round, Square)),
        (3, (Round,)),
    ],
)
def test_the_kind_of_a_table_is_told_by_its_backend(
    table: object, sections: tuple[type[BaseModel], ...]
) -> None:
    assert keys.keys(Example)["shapes"].told(table) == sections


def test_what_may_stand_at_a_path_is_known() -> None:
    content = {"shapes": {"b": {"backend": "square"}}}

    def at(path: str) -> keys.Key | None:
        return keys.at(Example, content, tuple(path.split(".")))

    assert at("shapes") == keys.Key(sections=(Round, Square), named=True)
    assert at("shapes.b") == keys.Key(sections=(Round, Square))
    assert at("shapes.b.login") == keys.Key(sections=(Login,))
    assert at("shapes.b.login.extra.x") == keys.Key(kinds=(str, SecretStr))
    assert at("shapes.b.side") == keys.Key(kinds=(int,))
    assert at("shapes.b.radius") is None
    assert at("shapes.b.side.0") is None


def test_what_no_key_has_is_found_at_any_depth() -> None:
    content = {
        "logn": {},
        "login": {"usr": 1, "user": 2, "extra": {"anything": "goes"}},
        "shapes": {
            "a": {"side": 1},
            "b": 3,
            "c": {"backend": "square", "side": 1, "login": {"usr": 1}},
        },
    }
    assert spelt(keys.strange(Example, content)) == [
        "logn",
        "login.usr",
        "shapes.a.side",
        "shapes.c.login.usr",
    ]


def test_of_a_kind_that_there_is_not_only_what_no_kind_has_is_strange() -> None:
    content = {"shapes": {"a": {"backend": "sqare", "side": 1, "radius": 2, "size": 3}}}
    assert spelt(keys.strange(Example, content)) == ["shapes.a.size"]


def test_a_key_of_another_kind_is_known_as_one() -> None:
    assert keys.other_kinds(Example, {}, ("shapes", "a", "side")) == ["square"]
    assert keys.other_kinds(Example, {}, ("shapes", "a", "size")) == []
    assert keys.other_kinds(Example, {}, ("login", "side")) == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("dimse.prot", "dimse.port"),
        ("http.max_upload", "http.max_upload_size"),
        ("mount", "mounts"),
        ("destination", "destinations"),
        ("mounts.ARCHIVE.defualt", "mounts.ARCHIVE.default"),
        ("mounts.PACS.defualt", "mounts.PACS.default"),
        ("mounts.PACS.hots", "mounts.PACS.host"),
        ("mounts.PACS.pol", "mounts.PACS.pool"),
        ("mounts.PACS.pool.siz", "mounts.PACS.pool.size"),
        ("peers.VIEWER.aet_", "peers.VIEWER.aet"),
        ("server.mode", "frontend.mode"),
        ("server.ports", "dimse.port"),
        ("xyzzy", None),
    ],
)
def test_the_nearest_right_key_is_named(wrong: str, right: str | None) -> None:
    meant = keys.meant(Settings, FILE, tuple(wrong.split(".")))
    assert (".".join(meant) if meant else None) == right
