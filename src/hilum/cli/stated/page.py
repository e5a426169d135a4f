"""How does a conformance statement read? In the order of PS3.2, as Markdown."""

from collections.abc import Iterable, Iterator

from hilum.cli.stated import facts, general
from hilum.cli.stated.facts import name_of
from hilum.cli.stated.statement import Entity, Service, Statement
from hilum.cli.stated.tables import table


def page(statement: Statement) -> str:
    """The whole statement: what is configured, and then how each service behaves."""
    parts = [
        "# DICOM conformance statement",
        _whose(statement),
        "## 1. Overview",
        *_overview(statement),
        "## 2. Implementation model",
        *_model(statement),
        "## 3. AE specifications",
        *_entities(statement),
        "## 4. Network interfaces and configuration",
        *_network(statement),
        "## 5. Media interchange",
        "None: no media are written, no DICOMDIR is read. `hilum import` takes in files of PS3.10.",
        "## 6. Security",
        *_security(statement),
        "## 7. Behaviour",
        'How each service behaves, whatever is configured. "SCP" and "SCU" are roles of Hilum.',
        *_behaviour(statement),
        *_lists(statement),
    ]
    return "\n\n".join(parts) + "\n"


def _whose(statement: Statement) -> str:
    whose = f"Of {statement.product} {statement.version}, as the broker `{statement.aet}`"
    return f"{whose} is configured. In the order of PS3.2."


def _overview(statement: Statement) -> Iterator[str]:
    yield (
        "Hilum is a broker: it receives, keeps, finds and gives SOP instances, and creates and "
        "displays none. What it serves are mounts: AE titles of its own, and what stands behind "
        "each."
    )
    by_dimse, by_web = _split(statement)
    yield table(("network service", "SCU", "SCP"), [_roles(*each) for each in by_dimse.items()])
    if by_web:
        head = ("web service", "user agent", "origin server")
        yield table(head, [_roles(*each) for each in by_web.items()])


def _split(statement: Statement) -> tuple[dict[str, list[Entity]], dict[str, list[Entity]]]:
    """The mounts of each service, over DIMSE and over HTTP."""
    dimse: dict[str, list[Entity]] = {
        facts.VERIFICATION: [], facts.STORAGE: [], facts.FIND: [], facts.MOVE: [], facts.GET: [],
    }  # fmt: skip
    http: dict[str, list[Entity]] = {}
    for entity in statement.entities:
        for service in entity.services:
            (dimse if service.name in dimse else http).setdefault(service.name, []).append(entity)
    return {name: each for name, each in dimse.items() if each}, http


def _roles(name: str, entities: Iterable[Entity]) -> tuple[str, str, str]:
    of_name = [(entity, _service(entity, name)) for entity in entities]
    asks = [entity.aet for entity, service in of_name if service.scu]
    gives = [entity.aet for entity, service in of_name if service.scp]
    return name, ", ".join(asks) or "no", ", ".join(gives) or "no"


def _service(entity: Entity, name: str) -> Service:
    return next(each for each in entity.services if each.name == name)


def _model(statement: Statement) -> Iterator[str]:
    yield "Who calls stands at the left, what a mount stands for at the right."
    lines = ["```"]
    for entity in statement.entities:
        doors = [*(["DIMSE"] if statement.has_dimse else []), *(["HTTP"] if entity.roots else [])]
        arrow = f"{' and '.join(doors):>14} ──►"
        lines.append(f"{arrow} [ {entity.aet:<16} ] ──► {entity.behind}")
    lines += [f"{'C-MOVE, Send':>14} ──► {each.name}: {each.place}" for each in statement.remotes]
    yield "\n".join([*lines, "```"])
    yield (
        "A request is authorised, recorded, and answered by what stands behind its mount; results "
        "stream through as they come. A service that the system behind a mount does not offer is "
        "made from those that it does, or refused by name (7)."
    )


def _entities(statement: Statement) -> Iterator[str]:
    yield "### 3.1 All application entities"
    if statement.has_dimse:
        yield from _acceptance(statement)
    else:
        yield "Nothing listens for associations: `frontend.mode` is `http`."
    for number, entity in enumerate(statement.entities, 2):
        yield f"### 3.{number} {entity.aet}"
        yield from _entity(entity)


def _acceptance(statement: Statement) -> Iterator[str]:
    unlimited = "no limit"
    callers = "any" if statement.accepts_unknown_callers else "those of 4, others are rejected"
    yield table(
        ("association", "policy"),
        [
            ("Implementation Class UID", statement.implementation_class_uid),
            ("Implementation Version Name", f"`{statement.implementation_version_name}`"),
            ("calling AE titles", callers),
            ("maximum PDU length", f"{statement.max_pdu or unlimited}"),
            ("associations at a time", f"{statement.max_associations}"),
            ("of one network address", f"{statement.max_associations_per_peer}"),
            ("asynchronous operations", "none"),
            ("user identity", "verified, see 6" if statement.logins else "read, not looked at"),
        ],
    )
    yield "Presentation contexts accepted as SCP:"
    rows = [
        (each.name, each.sop_class, ", ".join(map(name_of, each.transfer_syntaxes)))
        for each in statement.contexts
    ]
    taken = "every storage class, private ones too" if statement.any_private_class else "those of 8"
    syntaxes = "every one that is proposed" if statement.any_syntax else "those of 8"
    yield table(("SOP class", "UID", "transfer syntaxes"), [*rows, (taken, "", syntaxes)])


def _entity(entity: Entity) -> Iterator[str]:
    also = f" Also called {', '.join(entity.also)}." if entity.also else ""
    yield f"Stands for {entity.behind}.{also}"
    yield table(
        ("service", "SCU or user agent", "SCP or origin server"),
        [(each.name, _yes(each.scu), _yes(each.scp)) for each in entity.services],
    )
    if entity.roots:
        yield "DICOMweb at " + ", ".join(f"`{each}`" for each in entity.roots) + "."
    if entity.receivers:
        yield f"Its C-MOVEs come to the AE titles {', '.join(entity.receivers)} of ours."
    if entity.passes_on:
        yield f"A C-MOVE or Send to {', '.join(entity.passes_on)} is passed on to it."


def _yes(there: bool) -> str:  # noqa: FBT001 - a word for a bool
    return "yes" if there else "no"


def _network(statement: Statement) -> Iterator[str]:
    yield table(
        ("door", "address", "port", "TLS"),
        [(each.protocol, each.host, str(each.port), _yes(each.tls)) for each in statement.doors],
    )
    if statement.remotes:
        head = ("name", "AE title", "presentation address", "TLS", "may call", "proves itself by")
        yield table(
            head,
            [
                (each.name, each.aet, each.place, _yes(each.tls), _yes(each.may_call), each.proves)
                for each in statement.remotes
            ],
        )
    yield (
        "Communication profiles: the DICOM Upper Layer Protocol over TCP/IP (PS3.8), HTTP/1.1; "
        "each over IPv4 and IPv6, and over TLS where the table says so. Nothing else is listened "
        "at. All parameters are in the configuration reference of the manual."
    )


def _security(statement: Statement) -> Iterator[str]:
    if statement.logins:
        yield "Logins are on. What is taken for a proof of who somebody is:"
        yield "\n".join(f"- {each}" for each in statement.proofs)
    else:
        yield "Logins are off: whoever reaches a door may do everything there."
    yield table(
        ("item", "value"),
        [
            ("client certificates", statement.client_certificates),
            ("audit trail", statement.audit),
        ],
    )


def _behaviour(statement: Statement) -> Iterator[str]:
    there = {"DIMSE": statement.has_dimse, "DICOMweb": statement.has_web, "FHIR": statement.has_web}
    kept = [
        (title, body)
        for title, body in general.sections().items()
        if title != "Overview" and there.get(title, True)
    ]
    for number, (title, body) in enumerate(kept, 1):
        yield f"### 7.{number} {title}"
        yield "\n".join(_deeper(line, number) for line in body.splitlines())


def _deeper(line: str, number: int) -> str:
    """A heading of the general statement below one of ours: `### 2.1 X` is `#### 7.1.1 X`."""
    if not line.startswith("###"):
        return line
    marks, _, rest = line.partition(" ")
    first, _, title = rest.partition(" ")
    if "." in first and first[0].isdigit():
        return f"{marks}# 7.{number}.{first.partition('.')[2]} {title}"
    return f"{marks}# {rest}"


def _lists(statement: Statement) -> Iterator[str]:
    if not statement.has_dimse:
        return
    yield "## 8. Storage classes and transfer syntaxes"
    if statement.any_private_class:
        yield "Those of the standard; classes that it does not know are taken too."
    rows = [(name_of(uid), uid) for uid in statement.storage_classes]
    yield table(("storage class", "UID"), rows)
    rows = [(name_of(uid), uid) for uid in statement.storage_syntaxes]
    yield table(("transfer syntax", "UID"), rows)
