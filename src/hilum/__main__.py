"""`python -m hilum` is the command `hilum`.

`hilum run` as services start it goes straight to its work; everything else, and whatever is wrong
with how it is called, is typer's, which takes a tenth of a second and 5 MB more.
"""

import gc
import sys
from pathlib import Path


def main() -> None:
    """Do what the command line says."""
    # What is made while modules are imported stays: to look for what could go takes a tenth of
    # the start. `service.memory.started` has the collector work again, or `cli.main.loaded`.
    gc.disable()
    told = _served(sys.argv[1:])
    if told is None:
        from hilum.cli.main import app  # noqa: PLC0415 - see above

        app(prog_name="hilum")
        return
    from hilum.cli.serving import serve  # noqa: PLC0415 - see above

    serve(*told)


def _served(words: list[str]) -> tuple[Path | None] | None:
    """The configuration of a plain `run`; None: it is another command, or has more to say."""
    match words:
        case ["run"]:
            return (None,)
        case ["run", "--config" | "-c", config] if not config.startswith("-"):
            return (Path(config),)
    return None


if __name__ == "__main__":
    main()
