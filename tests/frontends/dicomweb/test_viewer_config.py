import json

import pytest
from tests.frontends.dicomweb.backend import Scripted

from hilum.core.mounts import Mount
from hilum.frontends.dicomweb.viewer_config import app_config, source_name, to_login


def mount(name: str, *, stores: bool = True, finds: bool = True) -> Mount:
    backend = Scripted()
    return Mount(
        name=name,
        backend="scripted",
        finds=backend if finds else None,
        stores=backend if stores else None,
    )


def config(*mounts: Mount, default: str | None = None, prefix: str = "") -> dict[str, object]:
    """What stands between `window.config = ` and the rest of the script."""
    text = app_config(mounts, default, prefix).removeprefix("window.config = ")
    return json.JSONDecoder().raw_decode(text)[0]


def test_every_mount_is_a_data_source_and_the_default_one_comes_first() -> None:
    found = config(mount("ONE"), mount("TWO"), default="TWO")
    assert [each["sourceName"] for each in found["dataSources"]] == ["ONE", "TWO"]
    assert found["defaultDataSourceName"] == "TWO"
    assert config(mount("ONE"), mount("TWO"))["defaultDataSourceName"] == "ONE"


def test_roots_are_paths_of_our_own_with_the_prefix_of_a_proxy() -> None:
    found = config(mount("A B"), prefix="/pacs")
    (source,) = (each["configuration"] for each in found["dataSources"])
    roots = {source[each] for each in ("qidoRoot", "wadoRoot", "stowRoot")}
    assert roots == {"/pacs/aets/A%20B"}
    assert found["routerBasename"] == "/pacs/viewer"


def test_where_nothing_can_be_stored_nothing_can_be_uploaded() -> None:
    found = config(mount("ONE"), mount("TWO", stores=False))
    offered = [each["configuration"]["dicomUploadEnabled"] for each in found["dataSources"]]
    assert offered == [True, False]


def test_a_mount_that_cannot_be_searched_is_left_out() -> None:
    found = config(mount("ONE", finds=False), mount("TWO"), default="ONE")
    assert [each["sourceName"] for each in found["dataSources"]] == ["TWO"]
    assert found["defaultDataSourceName"] == "TWO"


def test_without_mounts_there_is_still_a_configuration() -> None:
    assert config()["dataSources"] == []


@pytest.mark.parametrize(
    ("aet", "name"),
    [
        ("ARCHIVE", "ARCHIVE"),
        ("MY_PACS-1", "MY_PACS-1"),
        ("A B", "A~20B"),
        ("A:B/~", "A~3AB~2F~7E"),
    ],
)
def test_a_name_can_stand_in_a_url_of_the_viewer(aet: str, name: str) -> None:
    assert source_name(aet) == name


def test_a_name_with_quotes_does_not_end_the_text_it_stands_in() -> None:
    (source,) = config(mount("A\"</script>'"))["dataSources"]
    assert source["configuration"]["name"] == "A\"</script>'"


def test_who_is_not_logged_in_is_led_there_and_back() -> None:
    assert "\"/pacs\" + '/login?next='" in to_login("/pacs", now=False)
    assert to_login("", now=True).endswith("toLogin();\n")
    assert not to_login("", now=False).endswith("toLogin();\n")
