import pytest
from pydantic import ValidationError

from hilum.config.schema import HttpSettings
from hilum.net.proxies import is_believed, is_named


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0"])
def test_a_proxy_that_is_named_is_believed_and_nobody_else(address: str) -> None:
    settings = HttpSettings(trust_forwarded=True, trusted_proxies=("10.1.0.0/16", "fe80::/64"))
    assert is_believed(settings, address)
    assert is_named(settings, address)
    for other in ("10.2.2.3", "2001:db8::1", "", "unknown"):
        assert not is_believed(settings, other)


def test_where_none_is_named_whoever_connects_is_the_proxy() -> None:
    assert is_believed(HttpSettings(trust_forwarded=True), "192.0.2.1")
    assert not is_named(HttpSettings(trust_forwarded=True), "192.0.2.1")
    assert not is_believed(HttpSettings(), "192.0.2.1")


def test_proxies_without_trust_and_what_is_no_network_are_told() -> None:
    with pytest.raises(ValidationError, match="trusted_proxies: has no effect"):
        HttpSettings(trusted_proxies=("10.0.0.0/8",))
    with pytest.raises(ValidationError, match="no network"):
        HttpSettings(trust_forwarded=True, trusted_proxies=("proxy.example",))
