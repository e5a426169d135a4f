"""Which commands there are; each is imported only when it is called."""

from importlib import import_module
from typing import cast

import typer
from typer.core import TyperCommand, TyperGroup

from hilum.cli.examples import epilog

COMMANDS = {
    "run": "hilum.cli.run",
    "reload": "hilum.cli.reload",
    "check": "hilum.cli.check",
    "config": "hilum.cli.config",
    "ready": "hilum.cli.ready",
    "backup": "hilum.cli.backup",
    "restore": "hilum.cli.restore",
    "explain": "hilum.cli.explain",
    "conformance": "hilum.cli.conformance",
    "import": "hilum.cli.import_",
    "echo": "hilum.cli.echo",
    "find": "hilum.cli.find",
    "get": "hilum.cli.get",
    "move": "hilum.cli.move",
    "store": "hilum.cli.store",
    "probe": "hilum.cli.probe",
    "selftest": "hilum.cli.selftest",
    "capture": "hilum.cli.capture",
    "replay": "hilum.cli.replay",
    "viewer": "hilum.cli.viewer",
    "demo": "hilum.cli.demo",
    "cert": "hilum.cli.cert",
    "token": "hilum.cli.token",
    "queue": "hilum.cli.queue",
    "version": "hilum.cli.version",
}
"""Name -> module; its `command` is a Typer application."""


class Lazy(TyperGroup):
    """A group whose commands wait on disk: `run` need not carry what `import` needs."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 - typer's signature
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).command)
        command.name = cmd_name
        command.epilog = epilog(cmd_name)
        for name, below in getattr(command, "commands", {}).items():
            below.epilog = epilog(f"{cmd_name} {name}")
        return cast("TyperCommand", command)


app = typer.Typer(
    cls=Lazy,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def hilum() -> None:
    """Hilum: one gate between DIMSE and DICOMweb."""
