"""What is said of an operation that has ended? In one line, without anything of a patient."""

from collections.abc import Mapping
from typing import Any, Final

from hilum.core import operations as ops
from hilum.core.records import OK, Tally, outcome, why

_COUNTS: Final = ("matches", "instances", "failed", "bytes")


def described(tally: Tally, error: BaseException | None) -> dict[str, Any]:
    """What was done, by name; empty things are left out."""
    operation = tally.operation
    is_query = isinstance(operation, ops.Find)
    fields = {
        "operation": tally.word,
        "mount": operation.mount,
        "who": operation.who.name or operation.who.ae_title,
        "destination": operation.destination if isinstance(operation, ops.Send) else "",
        "outcome": outcome(error),
        "why": why(error),
        "milliseconds": round(tally.seconds * 1000, 1),
        "matches": tally.count if is_query else None,
        "instances": None if is_query else tally.count or None,
        "failed": tally.failed or None,
        "bytes": tally.size or None,
    }
    return {name: value for name, value in fields.items() if value not in {"", None}}


def in_words(fields: Mapping[str, Any]) -> str:
    """The same, for people."""
    said = [f"{fields['operation']} {fields['mount']}"]
    said += [f"to {fields['destination']}"] if "destination" in fields else []
    said += [f"for {fields['who']}"] if "who" in fields else []
    did = [f"{fields[name]} {name}" for name in _COUNTS if name in fields]
    if fields["outcome"] != OK:
        did.insert(0, ": ".join(filter(None, (fields["outcome"], fields.get("why", "")))))
    did.append(f"{fields['milliseconds']} ms")
    return f"{' '.join(said)}: {', '.join(did)}"
