"""Where are the images of a study? At the DICOMweb root that an Endpoint of it names, if it may be.

Whoever writes Endpoints into the FHIR server must not choose whom we call: only its own host, and
those of the configuration, are asked, and each with the credentials that are meant for it.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from hilum.backends.dicomweb.asks import Asking
from hilum.backends.dicomweb.bulk import Fetching
from hilum.backends.dicomweb.describe import Describing
from hilum.backends.dicomweb.retrieve import Retrieving
from hilum.codec.fhir.resources import said, within
from hilum.codec.fhir.values import Element
from hilum.core.adapt import Adapted
from hilum.model.errors import BackendFault
from hilum.net.access import origin_of
from hilum.net.client import Client

Origin = tuple[str, str, int]

WADO: Final = "dicom-wado-rs"
QIDO: Final = "dicom-qido-rs"
_BELOW: Final = re.compile(r"/studies(/.*)?$")  # some name a study, and not the root
_MOST: Final = 64  # roots of which is known what they take
_USABLE: Final = frozenset(("active", "test", ""))


@dataclass(frozen=True, slots=True)
class Clients:
    """How one host is asked: queries and retrievals have connections of their own."""

    asking: Client
    giving: Client


@dataclass(frozen=True, slots=True)
class Root:
    """A DICOMweb root."""

    finds: Adapted
    retrieving: Retrieving
    describing: Describing
    fetching: Fetching


class Roots:
    """Those that Endpoints name.

    Args:
        clients: of the hosts that may be asked.
        who: the FHIR server, for texts.
        walk_limit: the most series that one query may look into.
    """

    def __init__(self, clients: Mapping[Origin, Clients], who: str, walk_limit: int) -> None:
        self._clients = clients
        self._who = who
        self._walk_limit = walk_limit
        self._roots: OrderedDict[tuple[str, str], Root] = OrderedDict()

    def of(self, endpoints: Iterable[Element]) -> Root | None:
        """The first that may be asked; None where there is no Endpoint of DICOMweb.

        Raises:
            BackendFault: all of them lead elsewhere.
        """
        usable = [each for each in endpoints if said(each, "status") in _USABLE]
        named = {
            kind: [said(e, "address") for e in usable if _kind(e) == kind] for kind in (WADO, QIDO)
        }
        given = [url for each in named[WADO] if (url := self._allowed(each))]
        asked = [url for each in named[QIDO] if (url := self._allowed(each))]
        if not given and not asked:
            if named[WADO] or named[QIDO]:
                raise BackendFault(f"an Endpoint of {self._who} leads to another server")
            return None
        return self._root((given or asked)[0], (asked or given)[0])

    def _allowed(self, address: str) -> str:
        """The root, or "" where it is none, or may not be asked."""
        try:
            parts = urlsplit(address)
            known = origin_of(address) in self._clients
        except ValueError:
            return ""
        if not known or parts.query or parts.fragment or parts.username or parts.password:
            return ""
        url = f"{parts.scheme}://{parts.netloc}{_BELOW.sub('', parts.path)}".rstrip("/")
        return url if self._clients[origin_of(address)].asking.knows(url) else ""

    def _root(self, given: str, asked: str) -> Root:
        known = self._roots.pop((given, asked), None)
        if known is None:
            asking = Asking(replace(self._clients[origin_of(asked)].asking, root=asked))
            giving = replace(self._clients[origin_of(given)].giving, root=given)
            describing = Describing(giving, asking)
            finds = Adapted(asking, self._walk_limit)
            known = Root(finds, Retrieving(giving, asking), describing, Fetching(describing))
        self._roots[given, asked] = known
        if len(self._roots) > _MOST:
            self._roots.popitem(last=False)
        return known


def _kind(endpoint: Element) -> str:
    return said(within(endpoint, "connectionType"), "code")
