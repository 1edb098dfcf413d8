"""Folders that outlive a control plane: claimed by one at a time, and never someone else's."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ControlPlaneError

MARKER = ".goldenami-control-plane"


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """That folder, emptied of an earlier control plane's files and locked while the block lasts.

    ControlPlaneError when it holds anything else, or another control plane uses it.
    """
    marker = folder / MARKER
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise ControlPlaneError(f"{folder} is not empty and no control plane's folder; choose another one, or an empty one")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with marker.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ControlPlaneError(f"{folder} is in use by another control plane; stop that one, or choose another folder") from error
        _empty(folder)
        yield folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
