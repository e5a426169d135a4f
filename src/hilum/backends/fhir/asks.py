"""How is a question put to a FHIR server? As a search for ImagingStudies, and what is in them."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from hilum.backends.fhir.pages import Pages
from hilum.backends.fhir.places import Places
from hilum.codec.dicom_json import Attributes
from hilum.codec.fhir import dicom
from hilum.codec.fhir.dicom import study_uid
from hilum.codec.fhir.resources import Page, counted, every, within
from hilum.codec.fhir.search import Parameters, searches
from hilum.codec.fhir.values import Element, Systems
from hilum.core import names
from hilum.core.backend import Abilities, Found
from hilum.core.levels import level_of
from hilum.core.matching import element_holds, fuzzy_holds, vr_of
from hilum.core.sift import fill
from hilum.core.wanted import parse
from hilum.model.errors import TooLarge
from hilum.model.identity import Level
from hilum.model.query import Query

_LEVELS: Final = frozenset({Level.STUDY, Level.SERIES, Level.IMAGE})
_STUDY: Final = (0x0020_000D,)
_NAME: Final = (0x0010_0010,)
_PEOPLE: Final = ((0x0008_0090,), (0x0008_1060,))  # known by their names as they are spoken
_OF_STUDY: Final = frozenset({Level.PATIENT, Level.STUDY})


class Asking:
    """Implements `core.backend.Asks`.

    Args:
        pages: searches the server.
        places: tells where studies are.
        systems: what the configuration says of identifiers and times.
        walk_limit: the most studies that one query may look into by DICOMweb.
    """

    def __init__(self, pages: Pages, places: Places, systems: Systems, walk_limit: int) -> None:
        self.pages = pages
        self.places = places
        self.systems = systems
        self.walk_limit = walk_limit

    async def abilities(self) -> Abilities:
        """Everything but patients, across levels."""
        return Abilities(_LEVELS, relational=True, is_sure=True)

    def told(self, query: Query, /) -> Sequence[str]:
        """The URLs of the first page of each search."""
        found = searches(query, self.systems)
        return [f"GET {self.pages.url('ImagingStudy', each)}" for each in found]

    @asynccontextmanager
    async def ask(self, query: Query, /) -> AsyncIterator["_Replies"]:
        """See `core.backend.Asks`.

        Raises:
            BadQuery: a key is malformed, which nobody else would say.
            TooLarge: too many studies would have to be looked into.
        """
        for path, value in query.match.items():
            if vr := vr_of(f"{path[-1]:08X}"):
                parse(vr, value)
        async with AsyncExitStack() as stack:
            replies = _Replies(self, query, stack)
            await replies.begin()
            yield replies


class _Replies:
    """See `core.backend.Replies`.

    Attributes:
        keys_ignored: whether the answer at hand came by DICOMweb, which does not say whether it
            honoured a key; of a resource it is known what it tells.
        is_fuzzy: always True: what is asked for fuzzily is matched so here.
        unreadable: studies that have no UID, or of which nobody tells what is in them.
        is_cut: the server has told of more than it gave.
    """

    is_fuzzy = True

    def __init__(self, asking: Asking, query: Query, stack: AsyncExitStack) -> None:
        self.keys_ignored = False
        self.unreadable = 0
        self.is_cut = False
        self._asking = asking
        self._pages = asking.pages
        self._query = query
        self._stack = stack
        self._searches: deque[Parameters] = deque(searches(query, asking.systems))
        self._url = ""
        self._asked: set[str] = set()
        self._got = 0  # studies of the search at hand
        self._page = Page([])
        self._studies: deque[Element] = deque()
        self._patients: dict[str, Element] = {}
        self._seen: set[str] = set()
        self._ready: deque[Attributes] = deque()
        self._below: Found | None = None
        self._above: Attributes = {}
        self._looked = 0  # studies that were looked into by DICOMweb

    def __aiter__(self) -> AsyncIterator[Attributes]:
        return self

    async def __anext__(self) -> Attributes:
        while True:
            if self._ready:
                self.keys_ignored = False
                return self._ready.popleft()
            if self._below is not None:
                match = await anext(self._below, None)
                if match is not None:
                    self.keys_ignored = True
                    attributes = dict(match.decoded())
                    fill(attributes, self._above)
                    return attributes
                self._below = None
                await self._stack.aclose()
            elif self._studies:
                await self._open(self._studies.popleft())
            elif self._url or self._searches:
                await self.begin()
            else:
                raise StopAsyncIteration

    async def begin(self) -> None:
        """Get the next page, or the first of the next search."""
        if not self._url:
            if not self._searches:
                return
            self._url = self._pages.url("ImagingStudy", self._searches.popleft())
            self._got = 0
        url = self._url
        self._asked.add(url)
        self._page = page = await self._pages.page("ImagingStudy", url)
        self._got += len(page.matches)
        self._url = self._pages.following(page, url)
        if self._url in self._asked:
            self._url = ""  # in a circle
            self.is_cut = True
        elif not self._url and page.total is not None and page.total > self._got:
            self.is_cut = True
        fresh = [*self._fresh(page)]
        if self._url and not fresh:
            self._url = ""  # it could go on so for ever
            self.is_cut = True
        self._studies.extend(fresh)
        subjects = [within(each, "subject") for each in self._studies]
        root = self._pages.client.root
        missing = [
            each
            for each, study in zip(subjects, self._studies, strict=True)
            if page.referred(each, study, root) is None
        ]
        self._patients = await self._pages.of_ids("Patient", missing)

    def _fresh(self, page: Page) -> Iterator[Element]:
        """The studies that were not on a page before."""
        for each in page.matches:
            uid = study_uid(each)
            if not uid:
                self.unreadable += 1
            elif dicom.is_there(each) and uid not in self._seen:
                self._seen.add(uid)
                yield each

    async def _open(self, study: Element) -> None:
        """Make ready what is asked for of one study."""
        systems, level = self._asking.systems, self._query.level
        above: Attributes = dicom.study_attributes(study, self._patient(study), systems)
        if not self._names_hold(above):
            return
        if level is Level.STUDY:
            self._ready.append(above)
            return
        series = every(study, "series")
        if not _is_told(study, series, level):
            await self._look_into(study, above)
            return
        for one in series:
            attributes = dicom.series_attributes(one, systems)
            if not attributes:
                self.unreadable += 1
                continue
            both = {**above, **attributes}
            if level is Level.SERIES:
                self._ready.append(both)
                continue
            for each in every(one, "instance"):
                if found := dicom.instance_attributes(each):
                    self._ready.append({**both, **found})
                else:
                    self.unreadable += 1

    def _patient(self, study: Element) -> Element | None:
        root = self._pages.client.root
        subject = within(study, "subject")
        found = self._page.referred(subject, study, root)
        return (
            found if found is not None else Page([], self._patients).referred(subject, study, root)
        )

    def _names_hold(self, above: Attributes) -> bool:
        """Whether names are as they were asked for, as far as who compares them later cannot say.

        Of a name as it is spoken nobody knows what is the family's: its words are compared, and
        then it is not given on as if it had been matched literally.
        """
        match = self._query.match
        if self._query.fuzzy and _NAME in match:
            element = above.get("00100010")
            if element is not None and not element_holds(element, match[_NAME], fuzzy=True):
                return False
        for path in _PEOPLE:
            tag = f"{path[0]:08X}"
            if path not in match or tag not in above:
                continue
            wanted = [names.words(each) for each in match[path].split("\\")]
            found = [names.groups_of(each) for each in above[tag].get("Value", ())]
            if not any(fuzzy_holds(words, name) for words in wanted for name in found):
                return False
            del above[tag]
        return True

    async def _look_into(self, study: Element, above: Attributes) -> None:
        """Have what is below a study told by the DICOMweb root that has it."""
        self._looked += 1
        if self._looked > self._asking.walk_limit:
            raise TooLarge(f"more than {self._asking.walk_limit} studies would be looked into")
        root = await self._asking.places.root(study, self._page)
        if root is None:
            self.unreadable += 1
            return
        query = self._query
        match = {p: v for p, v in query.match.items() if level_of(p) not in _OF_STUDY}
        include = frozenset(p for p in query.include if level_of(p) not in _OF_STUDY)
        question = replace(
            query,
            match={**match, _STUDY: study_uid(study)},
            include=include - {_STUDY},
            limit=None,
            offset=0,
        )
        self._above = above
        self._below = await self._stack.enter_async_context(root.finds.find(question))


def _is_told(study: Element, series: Sequence[Element], level: Level) -> bool:
    """Whether the resource tells what there is at a level below it."""
    if not series:
        return counted(study, "numberOfSeries") == 0
    if level is Level.SERIES:
        return True
    return all(
        every(each, "instance") or counted(each, "numberOfInstances") == 0 for each in series
    )
