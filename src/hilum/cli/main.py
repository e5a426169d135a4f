"""Which commands there are; each is imported only when it is called."""

import gc
from importlib import import_module
from typing import Any, cast

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

HELP = {
    "run": "Serve DIMSE and DICOMweb until SIGTERM or Ctrl+C; running work may end first.",
    "reload": "Apply a changed configuration to the broker that runs, without dropping anything.",
    "check": (
        "Validate the configuration and try its ports and folders; one line for each thing wrong."
    ),
    "config": (
        "Open the page of administrators that shows and edits the configuration of a "
        "running broker."
    ),
    "ready": "Ask the broker that runs with this configuration whether it serves.",
    "backup": "Copy the configuration and the state, also while the broker runs.",
    "restore": "Put the state of a backup in the place of the present one.",
    "explain": (
        "Print which way a request would go: mount, backend, what is sent, what is filtered here."
    ),
    "conformance": "Print the DICOM conformance statement (PS3.2) of a configuration.",
    "import": "Store every instance in files and folders; safe to repeat.",
    "echo": "Ask a peer by C-ECHO whether it lives.",
    "find": "Search a peer by C-FIND, for studies unless --level says otherwise.",
    "get": "Retrieve instances from a peer by C-GET.",
    "move": "Have a peer send instances to another AE title by C-MOVE.",
    "store": "Send every instance in files and folders to a peer by C-STORE.",
    "probe": "Learn by harmless experiments what a peer can do and what it does wrong.",
    "selftest": "Check the running broker against its conformance statement, by real connections.",
    "capture": "Record what two systems say to each other, without saying whom it is about.",
    "replay": (
        "Play the requestor's side of a record, and compare what comes back with what came then."
    ),
    "viewer": "The viewer, OHIF, that is served at /viewer.",
    "demo": "Walk every operation of the broker that runs with a configuration.",
    "cert": "Certificates for doors that speak TLS.",
    "token": "Tokens that this broker issues, for programs without a provider of their own.",
    "queue": (
        "What is still to be brought to other systems: studies to a FHIR server "
        "(mounts.NAME.publish)."
    ),
    "version": "Print the version of Hilum and of its Python.",
}
"""Name -> what its help begins with: so that a list of all commands needs none of their modules."""


class Lazy(TyperGroup):
    """A group whose commands wait on disk: `run` need not carry what `import` needs."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 - typer's signature
        return TyperCommand(cmd_name, help=HELP[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - typer's own, which it does not give away
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name else None, rest


def loaded(name: str) -> TyperCommand:
    """A command, to be called."""
    command = typer.main.get_command(import_module(COMMANDS[name]).command)
    command.name = name
    command.epilog = epilog(name)
    for inner, below in getattr(command, "commands", {}).items():
        below.epilog = epilog(f"{name} {inner}")
    gc.enable()  # see `hilum.__main__`
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
