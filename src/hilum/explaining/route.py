"""Where does a request go, and how? All that is told of it."""

from collections.abc import Iterator

from hilum.codec import by_hand, qido
from hilum.config.schema import Settings
from hilum.core.explained import Question, Route, Way
from hilum.core.policy import Policy
from hilum.explaining.allowed import Issued, allowed, named
from hilum.explaining.far import Far, opened
from hilum.explaining.finding import finding, limits
from hilum.explaining.moving import moving
from hilum.explaining.request import Request, of_keys, of_line
from hilum.explaining.served import ADMIN, OURS
from hilum.model.errors import BadQuery
from hilum.model.identity import Level


async def explained(
    question: Question, settings: Settings, policy: Policy, issued: Issued | None
) -> Route:
    """What is told to who asks by a form.

    Args:
        question: a line, or keys.
        settings: those that are in force.
        policy: likewise.
        issued: our own tokens, where there are some.

    Raises:
        HilumError: that request would be refused; the text says why.
    """
    request = read(question, settings)
    by = []
    if question.who:
        principal = await named(question.who, settings, issued)
        by = allowed(request, settings, principal, policy)
    return await route(request, settings, by)


def read(question: Question, settings: Settings) -> Request:
    """What is asked.

    Raises:
        BadRequest: it would be refused.
    """
    if question.line:
        return of_line(question.line, settings)
    levels = {each.value.lower(): each for each in Level}
    level = levels.get(question.level.lower()) if question.level else None
    if question.level and level is None:
        raise BadQuery(f"a level is {', '.join(levels)}")
    asked = by_hand.asked(question.keys, level, Level.STUDY)
    return of_keys(asked, question.mount, settings, relational=False)


async def route(request: Request, settings: Settings, by: list[str]) -> Route:
    """The route of a request.

    Args:
        request: which is explained.
        settings: those that are in force.
        by: what decides whether the caller may.

    Raises:
        HilumError: it would be refused.
    """
    notes = [*request.warnings, *_closed(request, settings)]
    if request.operation in OURS:
        ways, backend = [Way("", notes=[OURS[request.operation]])], ""
    else:
        async with opened(settings, request.mount) as far:
            ways, backend = _ways(request, far, settings, notes), far.named
    door = _door(request, settings)
    return Route(request.text, request.operation, door, request.mount, backend, ways, notes, by)


def _ways(request: Request, far: Far, settings: Settings, notes: list[str]) -> list[Way]:
    """Each way that it may go; what holds for all of them becomes a note."""
    if request.operation in {"search", "read"}:
        from hilum.explaining.fhir import resources  # noqa: PLC0415 - FHIR is much to import

        return resources(request, far, settings, notes)
    ways: list[Way] = []
    if request.query is not None and request.operation == "find":
        ways += finding(qido.one_more(request.query), far)
        notes += limits(request.query, far)
    elif request.query is not None:
        ways += finding(request.query, far)
    if request.operation != "find":
        ways += moving(request, far, settings)
    return ways


def _door(request: Request, settings: Settings) -> str:
    door = settings.doors.get(request.door)
    if door is None:
        return request.door
    return f"{request.door}, at {door.bind} port {door.port}"


def _closed(request: Request, settings: Settings) -> Iterator[str]:
    """What keeps a request from coming in at all."""
    if request.door not in settings.doors:
        why = "admin.enabled is false" if request.door == ADMIN else "frontend.mode leaves it out"
        yield f"the {request.door} door is not open: {why}"
