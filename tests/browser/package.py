"""The viewer's package for the browser tests: `python -m tests.browser.package` fetches it once.

From the registry that npm is set to use, where npm is installed; the file lies beside this one.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from hilum.cli.ohif import pinned
from hilum.cli.ohif.fetch import CannotInstall, check, fetched

FILE = Path(__file__).with_name(".packages") / pinned.FILE


def registry() -> str:
    """The one that npm would ask."""
    npm = shutil.which("npm")
    if npm is None:
        return pinned.REGISTRY
    done = subprocess.run(
        [npm, "config", "get", "registry"], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout.strip()
    return said if said.startswith("http") else pinned.REGISTRY


def main() -> None:
    """Fetch the package, unless it is there.

    Raises:
        SystemExit: it cannot be had.
    """
    if FILE.exists():
        return
    FILE.parent.mkdir(exist_ok=True)
    part = FILE.with_suffix(".part")
    try:
        fetched(registry(), part, lambda *_: None)
        check(part)
        part.replace(FILE)
    except (CannotInstall, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"{pinned.PACKAGE} cannot be fetched: {type(error).__name__}")
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
