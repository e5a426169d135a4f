"""Chromium, driven by Playwright: one for a module of tests, and what it complained of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = (
    *("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
QUIET = (  # nothing that looks for anything outside
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--no-first-run", "--disable-gpu", "--enable-unsafe-swiftshader"),
)
SIZE = {"width": 1280, "height": 800}  # pixels of the window
PATIENCE = 45_000  # milliseconds for whatever a page is to show


@dataclass
class Watched:
    """A page, and what went wrong in it.

    Attributes:
        page: Playwright's.
        complaints: errors on its console, exceptions that nobody caught, answers of 400 and more.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("response", self._answered)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} {message.location.get('url', '')}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser with one context; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    program = next((each for each in PROGRAMS if Path(each).exists()), None)
    if program is None:
        pytest.skip("install chromium")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = [*QUIET, *(["--no-sandbox"] if root else [])]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=flags)
        try:
            context = browser.new_context(viewport=SIZE)
            context.set_default_timeout(PATIENCE)
            yield context
        finally:
            browser.close()
