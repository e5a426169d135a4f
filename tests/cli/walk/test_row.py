import pytest

from hilum.cli.walk.row import counted, web_root
from hilum.config.schema import HttpSettings, Settings


@pytest.mark.parametrize(
    ("count", "what", "text"),
    [
        (0, "part", "0 parts"),
        (1, "study", "1 study"),
        (2, "study", "2 studies"),
        (3, "series", "3 series"),
    ],
)
def test_things_are_counted_in_english(count: int, what: str, text: str) -> None:
    assert counted(count, what) == text


def test_the_root_of_the_web_door_has_address_port_and_base_path() -> None:
    http = HttpSettings(bind="::", port=81, base_path="/x/")
    assert web_root(Settings(http=http)) == "http://[::1]:81/x"
