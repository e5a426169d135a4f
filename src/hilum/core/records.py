"""What is counted of operations? Who counts is told of each at its end."""

from collections.abc import Awaitable, Callable

Exposes = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Gives what was counted, and its media type, for a client with that Accept header."""
