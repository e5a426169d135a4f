"""What can be set of watching the service: its log, and the door of those who look after it."""

import ipaddress
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hilum.config.kinds import (
    BasePath,
    BindPort,
    Headers,
    Host,
    Seconds,
    Secret,
    Section,
    Size,
    Url,
)


class AdminSettings(Section):
    """The door of those who look after the service: metrics, health."""

    enabled: bool = False
    """Whether it is open."""
    bind: Host = "127.0.0.1"
    """Address to listen at. Any that others can reach needs `[auth]`; without it whoever works on
    this machine may look."""
    port: BindPort = 8081
    """TCP port to listen at; 0 takes any free one."""
    tls: bool = False
    """Whether it speaks HTTPS, with the certificate of `[tls]`."""
    base_path: BasePath = ""
    """A path in front of all of ours, such as `/pacs-admin`."""
    public_url: Url | None = None
    """The URL by which a proxy's clients see it; by default from each request."""
    max_connections: Annotated[int, Field(ge=1)] = 100
    """Connections open at the same time."""
    min_free: Size = 500 * 10**6
    """With less free space at `server.data` or an archive, `/readyz` says 503."""
    max_wait: Seconds = 3600.0
    """It says so too where a Send waits longer for its turn."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.bind).is_loopback
        except ValueError:
            return self.bind.lower() == "localhost"

    def clashes(self, ports: Mapping[str, int], *, has_login: bool) -> Iterator[str]:
        """What of it does not go together with other doors, or with there being no logins."""
        if not self.enabled:
            return
        if not self.is_local and not has_login:
            yield f"admin.bind: {self.bind} lets others in, which needs [auth]"
        for name, port in ports.items():
            if port == self.port != 0:
                yield f"admin.port: the port of {name} is {port} too"


LogLevel = Literal["debug", "info", "warning", "error"]


class LoggingSettings(Section):
    """What is said on standard error."""

    reloads = True

    level: LogLevel = "info"
    """The least important lines that are written."""
    levels: dict[str, LogLevel] = Field(default={})
    """The same for single rooms, as they stand in the lines: `{"upper_layer" = "debug"}` tells of
    each message to a PACS, `{"frontends.dicomweb.access" = "warning"}` not of each request."""
    event_log: bool = False
    """Whether warnings and errors go to the event log of Windows too. Only there; by pywin32."""
    format: Literal["text", "json"] = "text"
    """`text` for people, `json` for machines, one object a line."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.event_log and sys.platform != "win32":
            raise ValueError("event_log: is there on Windows only")
        return self


class TelemetrySettings(Section):
    """What is told to systems that gather traces and errors; nothing of patients."""

    otlp: Url | None = None
    """The URL of a collector that takes OpenTelemetry over HTTP, such as `http://127.0.0.1:4318`;
    `/v1/traces` is added where it has no path. Needs `pip install "hilum[otel]"`."""
    otlp_headers: Headers = Field(default={})
    """Headers for it, such as `{authorization = {env = "OTLP_TOKEN"}}`."""
    sentry: Secret | None = None
    """The DSN of a project of Sentry, which gets errors. Needs `pip install "hilum[sentry]"`."""
    environment: str = "production"
    """What Sentry calls this installation."""
