"""Where programs are kept between runs: whole folders, each put in place by one rename, so an interruption leaves nothing half done."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import ControlPlaneError
from .progress import say

PARTIAL = ".partial-"


def default_folder(environment: Mapping[str, str]) -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/goldenami/controlplane`.

    A relative XDG_CACHE_HOME counts as unset (XDG Base Directory Specification).
    """
    chosen = Path(environment.get("XDG_CACHE_HOME", ""))
    base = chosen if chosen.is_absolute() else Path.home() / ".cache"
    return base / "goldenami" / "controlplane"


class Cache:
    """Folders by key. Reading needs no lock; `locked` is for whoever may add one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        """Where the folder of that key is, or would be."""
        return self._folder / key

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process at a time gets further; the lock ends with the process, however it ends.

        Raises ControlPlaneError when nothing can be written there.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / "lock").open("w", encoding="utf-8")
        except OSError as error:
            raise ControlPlaneError(
                f"cannot keep programs in {self._folder} ({error.strerror}); set XDG_CACHE_HOME to a folder that can be written"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another process that is getting the Kubernetes programs")
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._remove_partial()
            yield

    @contextmanager
    def adding(self, key: str) -> Iterator[Path]:
        """An empty folder that becomes the one of that key when the block succeeds, and vanishes when it does not. Only while `locked`."""
        partial = Path(tempfile.mkdtemp(prefix=f"{key}{PARTIAL}", dir=self._folder))
        try:
            yield partial
            self.remove(key)
            os.rename(partial, self.path(key))
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def remove(self, key: str) -> None:
        shutil.rmtree(self.path(key), ignore_errors=True)

    def _remove_partial(self) -> None:
        """What a killed process left; whoever holds the lock knows that nobody writes there any more."""
        for path in self._folder.glob(f"*{PARTIAL}*"):
            shutil.rmtree(path, ignore_errors=True)
