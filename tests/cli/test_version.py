import json
import subprocess
import sys

import hilum


def test_the_version_is_told_by_the_module_and_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hilum", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"hilum {hilum.__version__} (Python 3.")


def test_the_version_is_told_to_programs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hilum", "version", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["hilum"] == hilum.__version__
