"""How does `hilum run` serve? From its settings to the last word, and without typer.

So a service, which is to be there quickly, need not import that.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilum import __version__, app
from hilum.auditing import recording
from hilum.cli.found import fail, reachable, settings
from hilum.config.load import DEFAULT, load
from hilum.config.schema import Settings
from hilum.model.principal import Principal
from hilum.service import logging, loop, memory, requests, signals, systemd
from hilum.service.beside import beside
from hilum.service.reloading import Reloading

READY = "Hilum is ready"
_MORE = 15.0  # seconds that a stop may take besides the work that ends


def serve(config: Path | None, *, examples: bool = False) -> None:
    """Serve until SIGTERM or Ctrl+C; see `hilum run --help`."""
    found = settings(config)
    logging.setup(found.logging)
    memory.tune()
    try:
        loop.run(_serve(found, config, examples=examples))
    except app.CannotStart as error:
        fail(*str(error).splitlines())
    except asyncio.CancelledError:
        fail("stopped at once: work was still running")


async def _serve(found: Settings, config: Path | None, *, examples: bool) -> None:
    stop = asyncio.Event()
    task = asyncio.current_task()

    def ready(listening: app.Listening) -> None:
        lines = [*where(found, listening), *(tries(found, listening, config) if examples else ())]
        with contextlib.suppress(BrokenPipeError):  # nobody reads; that is no reason to stop
            print(*lines, READY, sep="\n", flush=True)
        memory.started()
        systemd.notify(f"READY=1\nSTATUS=serving {', '.join(found.mounts)}")
        if listening.change is not None:
            reloading.serves(listening.change)

    async def asked(who: Principal) -> dict[str, Any]:
        return (await reloading.reload(who)).described()

    async def hung_up() -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            await reloading.reload()

    hangup = asyncio.Event()
    reloading = Reloading(found, lambda: load(config, os.environ), recording(found))
    grace = max(found.dimse.graceful_shutdown, found.http.graceful_shutdown)
    with signals.hangs_up(hangup.set):
        async with beside(
            hung_up(),
            reloading.watch(),
            requests.answer(found.requests, asked),
            systemd.stopping(stop, grace + _MORE),
            systemd.watched(),
            memory.give_back(),
        ):
            if found.server.workers > 1:
                await _serve_together(found, ready, stop)
                return
            with signals.stops(stop, task.cancel if task else lambda: None):
                await app.serve(found, ready, stop)


async def _serve_together(
    found: Settings, ready: Callable[[app.Listening], None], stop: asyncio.Event
) -> None:
    """Serve with several processes, which this one starts and looks after."""
    from hilum.workers.supervisor import supervised  # noqa: PLC0415 - not on Windows

    crew = None
    with signals.stops(stop, lambda: crew.at_once() if crew else None):
        async with supervised(found, stop) as crew:
            await crew.run(ready)


def where(found: Settings, listening: app.Listening) -> list[str]:
    """What listens where."""
    lines = [f"Hilum {__version__}"]
    mounts = ", ".join(found.mounts)
    if "dimse" in listening.doors:
        own = f"{found.server.aet} (mount {found.default_mount})" if found.default_mount else ""
        titles = ", ".join(each for each in (own, mounts) if each)
        lines.append(f"  AE titles  {titles}")
        with_tls = " (TLS)" if found.dimse.tls else ""
        lines.append(f"  DIMSE      {place(*listening.doors['dimse'])}{with_tls}")
        if found.dimse.tls_port is not None:
            lines.append(f"  DIMSE      {place(found.dimse.bind, found.dimse.tls_port)} (TLS)")
    if "http" in listening.doors:
        root = web_root(found, listening)
        lines.append(
            f"  DICOMweb   {root}/dicomweb" if found.default_mount else f"  DICOMweb   {root}"
        )
        lines.append(f"  Mounts     {root}/aets   ({mounts})")
    if "admin" in listening.doors:
        scheme = "https" if found.admin.tls else "http"
        host, port = listening.doors["admin"]
        at = place(reachable(host), port)
        lines.append(f"  Admin      {scheme}://{at}{found.admin.base_path}")
    lines.append(f"  Data       {found.server.data}")
    return lines


def tries(found: Settings, listening: app.Listening, config: Path | None = None) -> list[str]:
    """Three commands for a newcomer, as they can be typed in the working directory."""
    program = Path(sys.argv[0])
    hilum = f"{sys.executable} -m hilum" if program.suffix == ".py" else _short(program)
    named = (
        "" if config is None or _short(config) == str(DEFAULT) else f" --config {_short(config)}"
    )
    lines = [f"hilum import{named} FOLDER_WITH_IMAGES", f"hilum demo{named}"]
    if "http" in listening.doors:
        path = "/dicomweb/studies" if found.default_mount else "/aets"
        lines.append(f"curl {web_root(found, listening)}{path}")
    else:
        lines.append(f"hilum check{named}")
    return [
        "Try, in another terminal:",
        *(
            f"  {each.replace('hilum', hilum, 1) if each.startswith('hilum') else each}"
            for each in lines
        ),
    ]


def _short(path: Path) -> str:
    """The path, from the working directory where that is shorter."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def web_root(found: Settings, listening: app.Listening) -> str:
    """The URL at which the DICOMweb door is reached from this machine."""
    host, port = listening.doors["http"]
    scheme = "https" if found.http.tls else "http"
    return f"{scheme}://{place(reachable(host), port)}{found.http.base_path}"


def place(host: str, port: int) -> str:
    """Host and port, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
