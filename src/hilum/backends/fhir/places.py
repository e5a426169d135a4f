"""Which DICOMweb root has a study? The FHIR server is asked, and believed for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from hilum.backends.fhir.pages import Pages
from hilum.backends.fhir.roots import Root, Roots
from hilum.codec.fhir.dicom import is_there, study_uid
from hilum.codec.fhir.resources import Page, every
from hilum.codec.fhir.search import of_study
from hilum.codec.fhir.values import Element
from hilum.model.errors import BackendFault

_LASTS: Final = 30.0  # seconds: as long as a viewer takes to ask for one instance after another
_MOST: Final = 1000  # studies


class Places:
    """Implements that.

    Args:
        pages: searches the server.
        roots: what Endpoints name.
        whose: parts what callers learn that may not share it.
    """

    def __init__(self, pages: Pages, roots: Roots, whose: Callable[[], str]) -> None:
        self._pages = pages
        self._roots = roots
        self._whose = whose
        self._known: OrderedDict[tuple[str, str], tuple[float, Root]] = OrderedDict()

    async def of(self, uid: str) -> Root | None:
        """The root of a study; None where there is no such study.

        Raises:
            BackendFault: it has no Endpoint that gives it.
            HilumError: the server fails.
        """
        key = self._whose(), uid
        until, root = self._known.get(key, (0.0, None))
        if root is not None and time.monotonic() < until:
            return root
        url = self._pages.url("ImagingStudy", of_study(uid))
        page = await self._pages.page("ImagingStudy", url)
        studies = [e for e in page.matches if is_there(e) and study_uid(e) == uid]
        if not studies:
            return None
        for study in studies:
            root = await self.root(study, page)
            if root is not None:
                self._keep(key, root)
                return root
        raise BackendFault(f"{self._pages.client.who} has no Endpoint of DICOMweb for the study")

    async def root(self, study: Element, page: Page) -> Root | None:
        """The same of an ImagingStudy that is here; None where it has no Endpoint.

        Args:
            study: an ImagingStudy.
            page: where it came in.

        Raises:
            HilumError: as `of`.
        """
        references = [*every(study, "endpoint")]
        for series in every(study, "series"):
            references += every(series, "endpoint")
        return self._roots.of(await self._endpoints(references, study, page))

    async def _endpoints(
        self, references: Iterable[Element], study: Element, page: Page
    ) -> list[Element]:
        found, missing = [], []
        for each in references:
            known = page.referred(each, study, self._pages.client.root)
            if known is None:
                missing.append(each)
            else:
                found.append(known)
        return [*found, *(await self._pages.of_ids("Endpoint", missing)).values()]

    def _keep(self, key: tuple[str, str], root: Root) -> None:
        self._known[key] = time.monotonic() + _LASTS, root
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
