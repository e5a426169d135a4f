import pytest

from hilum.net.places import Places

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("host", "address", "is_there"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("localhost", "127.0.0.1", True),
        ("pacs.example", "10.0.0.1", False),
        ("10.0.0.1", "", False),
    ],
)
def test_an_address_is_known_in_each_of_its_ways_of_writing(
    host: str, address: str, *, is_there: bool
) -> None:
    assert (address in Places(host)) is is_there


async def test_a_name_is_looked_up() -> None:
    places = Places("LocalHost")
    await places.refresh()
    assert "127.0.0.1" in places or "::1" in places


async def test_a_name_that_has_no_address_does_no_harm() -> None:
    places = Places("no-such-host.invalid")
    await places.refresh()
    assert "127.0.0.1" not in places
