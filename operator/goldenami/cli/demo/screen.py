"""Where the demo speaks: a terminal with a live table at its bottom, or plain lines for a log. Knows nothing of what it shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from goldenami.cli.demo.picture import Picture, changes, problems, table

FRAMES_PER_SECOND = 8


class Screen(Protocol):
    """What the story is told on."""

    @property
    def stays(self) -> bool:
        """Whether somebody watches, so that the demo goes on until they end it."""
        ...

    def say(self, *parts: str | tuple[str, str]) -> None:
        """A line of the story, which stays; parts may carry a style."""
        ...

    def show(self, picture: Picture) -> None:
        """How things are now."""
        ...

    def waiting(self, what: str) -> None:
        """What is being waited for until the next call; empty for nothing."""
        ...

    def live(self) -> AbstractContextManager[None]:
        """While it lasts, the picture is kept in sight."""
        ...


class Terminal:
    """The story scrolls; below it the table and what is being waited for are drawn again and again."""

    stays = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()
        self._waiting = Spinner("dots", style="cyan")
        self._what = ""
        self._since = time.monotonic()

    def say(self, *parts: str | tuple[str, str]) -> None:
        # Soft-wrapped, so that a long command can be copied from the terminal as the one line it is.
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def show(self, picture: Picture) -> None:
        self._picture = picture

    def waiting(self, what: str) -> None:
        self._what, self._since = what, time.monotonic()

    @contextmanager
    def live(self) -> Iterator[None]:
        with Live(get_renderable=self._drawn, console=self._console, refresh_per_second=FRAMES_PER_SECOND):
            try:
                yield
            finally:
                self._what = ""  # the last frame stays in sight

    def _drawn(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._picture.replicas:
            parts += [Text(), table(self._picture)]
        parts += problems(self._picture)
        if self._what:
            self._waiting.update(text=Text(f"{self._what} · {time.monotonic() - self._since:.0f} s", style="cyan"))
            parts += [Text(), self._waiting]
        return Group(*parts)


class Plain:
    """A line, with the seconds since the start, for everything that is said or changes."""

    stays = False

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()
        self._started = time.monotonic()

    def say(self, *parts: str | tuple[str, str]) -> None:
        text = Text.assemble(*parts).plain
        if text:
            self._print(text)

    def show(self, picture: Picture) -> None:
        for line in changes(self._picture, picture):
            self._print(line)
        self._picture = picture

    def waiting(self, what: str) -> None:
        """Nothing: what is waited for is said when it happens."""

    @contextmanager
    def live(self) -> Iterator[None]:
        yield

    def _print(self, line: str) -> None:
        stamp = f"{time.monotonic() - self._started:5.1f} s  "
        self._console.print(stamp + line, markup=False, highlight=False, soft_wrap=True)


def screen_for(console: Console) -> Screen:
    """A live one where standard output is a terminal that can move its cursor."""
    if console.is_terminal and not console.is_dumb_terminal:
        return Terminal(console)
    return Plain(console)
