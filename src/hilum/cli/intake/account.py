"""What became of the files of one import."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KEPT = 1000  # names of files kept for each reason; the others are only counted
SHOWN = 5  # names of files that a person sees for each reason


@dataclass(slots=True)
class Account:
    """Counts, and the files that are not in.

    Attributes:
        stored: files whose instance is now kept, or was before.
        size: bytes of those.
        skipped: reason -> count of files that are no instance.
        refused: reason -> count of instances that were not kept.
        warnings: warning -> count of instances that were kept all the same.
        files: reason -> the first files it was said of.
        stopped: the import was stopped before its end.
        seconds: how long it took.
    """

    stored: int = 0
    size: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    files: dict[str, list[Path]] = field(default_factory=dict)
    stopped: bool = False
    seconds: float = 0.0

    def keep(self, size: int, warnings: tuple[str, ...]) -> None:
        """An instance is in."""
        self.stored += 1
        self.size += size
        self.warnings.update(warnings)

    def skip(self, path: Path, reason: str) -> None:
        """A file is no instance."""
        self.skipped[reason] += 1
        self._remember(path, reason)

    def refuse(self, path: Path, reason: str) -> None:
        """An instance is not in."""
        self.refused[reason] += 1
        self._remember(path, reason)

    def _remember(self, path: Path, reason: str) -> None:
        files = self.files.setdefault(reason, [])
        if len(files) < KEPT:
            files.append(path)

    @property
    def done(self) -> int:
        """Files that were dealt with."""
        return self.stored + self.skipped.total() + self.refused.total()

    def lines(self) -> list[str]:
        """The account for people."""
        rate = f", {self.stored / self.seconds:.0f} a second" if self.seconds else ""
        lines = [f"{self.stored} stored ({self.size / 1e6:.1f} MB in {self.seconds:.1f} s{rate})"]
        for title, counts in (("skipped", self.skipped), ("refused", self.refused)):
            if counts:
                lines.append(f"{counts.total()} {title}:")
            for reason, count in counts.most_common():
                lines.append(f"  {count} x {reason}")
                files = self.files[reason][:SHOWN]
                lines += [f"      {path}" for path in files]
                if count > len(files):
                    lines.append(f"      and {count - len(files)} more")
        lines += [f"{count} kept though: {text}" for text, count in self.warnings.most_common()]
        if self.stopped:
            lines.append(
                "Stopped before the end; start it again to go on, nothing is stored twice."
            )
        return lines

    def as_json(self) -> dict[str, object]:
        """The account for programs."""

        def listed(counts: Counter[str]) -> list[dict[str, object]]:
            return [
                {"reason": reason, "count": count, "files": [str(p) for p in self.files[reason]]}
                for reason, count in counts.most_common()
            ]

        return {
            "stored": self.stored,
            "bytes": self.size,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "skipped": listed(self.skipped),
            "refused": listed(self.refused),
            "warnings": dict(self.warnings),
        }
