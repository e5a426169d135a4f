"""Which proxies are believed what they say of whom they speak for? (RFC 7239)."""

import ipaddress
from functools import lru_cache

from hilum.config.schema import HttpSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_believed(settings: HttpSettings, address: str) -> bool:
    """Whether that address is a proxy's: one of those that are named, else anybody's."""
    if not settings.trust_forwarded:
        return False
    return not settings.trusted_proxies or is_named(settings, address)


def is_named(settings: HttpSettings, address: str) -> bool:
    """Whether it is one of those that are named."""
    return bool(settings.trusted_proxies) and _is_within(address, settings.trusted_proxies)


@lru_cache(maxsize=1024)
def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in each for each in _parsed(networks))


@lru_cache(maxsize=16)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, networks))
