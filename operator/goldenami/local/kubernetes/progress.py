"""How a person watches a download or a build: a bar on a terminal, a line per tenth elsewhere. On standard error, which nobody parses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]


def say(text: str) -> None:
    """One line about what happens and why."""
    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


@contextmanager
def download_bar(description: str, total_bytes: int | None) -> Iterator[Advance]:
    """Gives a function that takes the bytes that came."""
    with _bar(description, total_bytes, DownloadColumn()) as advance:
        yield advance


@contextmanager
def package_bar(description: str, total_packages: int) -> Iterator[Advance]:
    """Gives a function that takes the packages that were compiled."""
    with _bar(description, total_packages, MofNCompleteColumn()) as advance:
        yield advance


@contextmanager
def _bar(description: str, total: int | None, amount: ProgressColumn) -> Iterator[Advance]:
    console = Console(stderr=True)
    if not console.is_terminal:
        say(description)
        yield _tenths(total)
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.advance(task, count)


def _tenths(total: int | None) -> Advance:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if total and done * 10 // total > before * 10 // total:
            say(f"  {done * 100 // total} %")

    return advance
