"""At which addresses is a peer? Its host name, looked up now and then."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

_FRESH: Final = 60.0  # seconds that what was looked up is believed
_PATIENCE: Final = 5.0  # seconds that a look may take
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1"))


class Places:
    """The addresses of `host`: itself where it is one, else those of the last look."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._looked = float("-inf")
        own = _plain(host)
        self._is_address = own is not None
        self._addresses = frozenset((own,)) if own is not None else frozenset()
        if host.lower() == "localhost":
            self._addresses = _LOOPBACK

    def __contains__(self, address: str) -> bool:
        return _plain(address) in self._addresses

    async def refresh(self) -> None:
        """Look again, when the last look was a while ago; one that fails changes nothing."""
        loop = asyncio.get_running_loop()
        if self._is_address or loop.time() - self._looked < _FRESH:
            return
        self._looked = loop.time()
        with suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                found = await loop.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
            addresses = {_plain(str(each[4][0])) for each in found}
            self._addresses = frozenset(each for each in addresses if each is not None)


def _plain(text: str) -> str | None:
    """An address in its one way of writing; IPv4 out of its clothes of IPv6; None: it is none."""
    try:
        found = ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
