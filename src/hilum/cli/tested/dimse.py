"""Does the DIMSE door do what the statement says? By associations and queries."""

from hilum.backends.dimse import echo as echoing
from hilum.backends.dimse import find as finding
from hilum.cli.tested.row import STRANGER, Failed, Row, Skipped, Subject, batches, shortened
from hilum.cli.walk.row import counted
from hilum.codec.associate import MAX_CONTEXTS
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import AssociationRejected

_OTHER = "it runs with another configuration: restart it, or name its configuration by --config"
_MOST = 20  # answers of a query that are looked at
_UNLISTED = {
    "Storage Commitment": "1.2.840.10008.1.20.1",
    "Modality Performed Procedure Step": "1.2.840.10008.3.1.2.3.3",
    "Modality Worklist": "1.2.840.10008.5.1.4.31",
    "Basic Grayscale Print Management": "1.2.840.10008.5.1.1.9",
}
_EXPLICIT = "1.2.840.10008.1.2.1"
_CT = "1.2.840.10008.5.1.4.1.1.2"


async def _echo(subject: Subject) -> str:
    async with associate(subject.dimse(), [echoing.CONTEXT]) as association:
        version = association.remote.implementation_version_name
        if version != subject.statement.implementation_version_name:
            raise Failed(
                f"it is {version or 'of no version'}", "restart it: it is not this version"
            )
        await echoing.echo(association)
    return f"{version} lives"


async def _services(subject: Subject) -> str:
    pairs = [
        (c.sop_class, syntax) for c in subject.statement.contexts for syntax in c.transfer_syntaxes
    ]
    await _all_accepted(subject, pairs)
    return f"{counted(len(pairs), 'presentation context')} accepted"


async def _storage(subject: Subject) -> str:
    """Each class in one syntax, and one class in each: they are decided upon apart."""
    classes, syntaxes = subject.statement.storage_classes, subject.statement.storage_syntaxes
    usual = _EXPLICIT if _EXPLICIT in syntaxes else syntaxes[0]
    one = _CT if _CT in classes else classes[0]
    await _all_accepted(subject, [(each, usual) for each in classes])
    await _all_accepted(subject, [(one, each) for each in syntaxes])
    return f"{len(classes)} storage classes, {len(syntaxes)} transfer syntaxes accepted"


async def _all_accepted(subject: Subject, pairs: list[tuple[str, str]]) -> None:
    taken = await _accepted(subject.dimse(), pairs)
    refused = [pair for pair in pairs if pair not in taken]
    if refused:
        names = [f"{sop_class} in {syntax}" for sop_class, syntax in refused]
        raise Failed(f"not accepted: {shortened(names)}", _OTHER)


async def _accepted(to: Remote, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The classes and syntaxes that are accepted, each in a context of its own."""
    found: set[tuple[str, str]] = set()
    for batch in batches(pairs, MAX_CONTEXTS):
        wanted = [(sop_class, (syntax,)) for sop_class, syntax in batch]
        async with associate(to, wanted) as association:
            contexts = association.contexts.values()
            found |= {(each.abstract_syntax, each.transfer_syntax) for each in contexts}
    return found


async def _unlisted(subject: Subject) -> str:
    listed = {each.sop_class for each in subject.statement.contexts}
    pairs = [(uid, _EXPLICIT) for uid in _UNLISTED.values() if uid not in listed]
    if not pairs:
        raise Skipped("the statement lists all of them")
    taken = {uid for uid, _ in await _accepted(subject.dimse(), pairs)}
    wrong = [name for name, uid in _UNLISTED.items() if uid in taken]
    if wrong:
        raise Failed(f"accepted: {shortened(wrong)}", "report it: the statement lacks a service")
    return f"{counted(len(pairs), 'service')} refused"


def _find(level: Level) -> Row:
    async def run(subject: Subject) -> str:
        patient_root = level is Level.PATIENT
        uid = PATIENT_ROOT_FIND if patient_root else STUDY_ROOT_FIND
        keys = _keys(subject, level)
        wanted = f"{UNIQUE_KEYS[level]:08X}"
        values: list[str] = []
        async with associate(subject.dimse(), finding.CONTEXTS) as association:
            search = finding.find(association, level, keys, patient_root=patient_root)
            async with search as answers:
                async for answer in answers:
                    attributes = answer.described().attributes
                    values += attributes.get(wanted, {}).get("Value", [])[:1]
                    if len(values) >= _MOST:
                        break
        _keep(subject, level, values)
        more = " or more" if len(values) >= _MOST else ""
        return (
            f"{len(values)}{more} found ({'Patient' if uid == PATIENT_ROOT_FIND else 'Study'} Root)"
        )

    return Row(f"C-FIND {level.value}", "dimse", run)


def _keys(subject: Subject, level: Level) -> dict[Path, str]:
    """What is asked: of the levels above, what was found there."""
    found = subject.found
    keys: dict[Path, str] = {(UNIQUE_KEYS[level],): ""}
    match level:
        case Level.STUDY:
            keys[UNIQUE_KEYS[Level.STUDY],] = found.study
        case Level.PATIENT:
            keys[UNIQUE_KEYS[Level.PATIENT],] = found.patient
        case Level.SERIES:
            keys[UNIQUE_KEYS[Level.STUDY],] = _needed(found.study, "study")
        case Level.IMAGE:
            keys[UNIQUE_KEYS[Level.STUDY],] = _needed(found.study, "study")
            keys[UNIQUE_KEYS[Level.SERIES],] = _needed(found.series, "series")
    return keys


def _needed(uid: str, what: str) -> str:
    if not uid:
        raise Skipped(f"no {what} was found")
    return uid


def _keep(subject: Subject, level: Level, values: list[str]) -> None:
    found = subject.found
    first = values[0] if values else ""
    match level:
        case Level.STUDY:
            found.study = found.study or first
        case Level.SERIES:
            found.series = found.series or first
        case Level.IMAGE:
            found.instance = found.instance or first
        case Level.PATIENT:
            pass


async def _unknown_caller(subject: Subject) -> str:
    if subject.statement.accepts_unknown_callers:
        raise Skipped("dimse.accept_unknown_callers lets everybody in")
    return await _refused(subject.called(subject.entity.aet, STRANGER))


async def _unknown_called(subject: Subject) -> str:
    calling = subject.dimse().calling
    return await _refused(subject.called(STRANGER, calling))


async def _without_login(subject: Subject) -> str:
    settings = subject.settings
    if not settings.auth.enabled:
        raise Skipped("auth.enabled is false: nobody needs a login")
    if settings.auth.anonymous:
        raise Skipped("auth.anonymous lets everybody in")
    asks = [peer.aet for peer in settings.peers.values() if peer.auth != "ae"]
    if not asks:
        raise Skipped("every peer is believed by its AE title")
    return await _refused(subject.called(subject.entity.aet, asks[0]))


async def _refused(to: Remote) -> str:
    try:
        async with associate(to, [echoing.CONTEXT]):
            raise Failed("it was let in", _OTHER)
    except AssociationRejected as error:
        return str(error).removeprefix("the peer rejected the association ")


ROWS = (
    Row("C-ECHO", "dimse", _echo),
    Row("SOP classes of services", "dimse", _services),
    Row("storage classes and syntaxes", "dimse", _storage),
    Row("what is not listed is refused", "dimse", _unlisted),
    *(_find(level) for level in (Level.STUDY, Level.SERIES, Level.IMAGE, Level.PATIENT)),
    Row("an unknown calling AE title is refused", "dimse", _unknown_caller),
    Row("an unknown called AE title is refused", "dimse", _unknown_called),
    Row("an association without a login is refused", "dimse", _without_login),
)
