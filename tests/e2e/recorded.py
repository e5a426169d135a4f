"""What stands in the audit of a broker."""

import json
from pathlib import Path


def events(folder: Path) -> dict[str, int]:
    """How often what is written down, by its name."""
    found: dict[str, int] = {}
    for path in sorted((folder / "audit").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            said = json.loads(line)
            found[said["event"]] = found.get(said["event"], 0) + said.get("count", 1)
    return found
