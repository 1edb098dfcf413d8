"""Where the control plane's programs come from. In this order:

1. `KUBEBUILDER_ASSETS`, the folder that other Kubernetes projects' tests use. It may lack a controller manager.
2. The cache. 3. A download. 4. A build. What comes from these is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import build, download
from .cache import Cache, default_folder
from .errors import ControlPlaneError, UnavailableError
from .programs import Programs, missing_in, programs_in
from .progress import say
from .versions import KUBERNETES, KUBERNETES_MINOR, go_platform

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"


@dataclass(frozen=True)
class Lookup:
    """Where to look; the defaults are this machine's."""

    assets: str | None = field(default_factory=lambda: os.environ.get(ASSETS_VARIABLE) or None)
    cache: Path = field(default_factory=lambda: default_folder(os.environ))
    module: Path | None = field(default_factory=build.module_beside_the_package)
    release_index: str = download.RELEASE_INDEX
    kubernetes_releases: str = download.KUBERNETES_RELEASES

    def find(self) -> Programs:
        """The programs, downloaded or built if need be, which takes minutes once.

        Raises ControlPlaneError, which says why every way failed and what to do.
        """
        if self.assets is not None:
            return self._from_assets(Path(self.assets))
        return self.cached() or self._obtain()

    def cached(self) -> Programs | None:
        """What an earlier run left: a build of exactly these sources, else a download."""
        cache = Cache(self.cache)
        folders = [cache.path(key) for key in (self._built_key(), self._downloaded_key()) if key is not None]
        return next((programs_in(folder) for folder in folders if not missing_in(folder)), None)

    def ready(self) -> bool:
        """Whether `find` has nothing to download or build."""
        return self.assets is not None or self.cached() is not None

    def _from_assets(self, folder: Path) -> Programs:
        if missing := missing_in(folder):
            raise ControlPlaneError(
                f"{ASSETS_VARIABLE} names {folder}, which lacks {', '.join(missing)}. "
                f"Put them there, or unset {ASSETS_VARIABLE} to have them downloaded or built."
            )
        return programs_in(folder)

    def _obtain(self) -> Programs:
        cache = Cache(self.cache)
        with cache.locked():
            if (found := self.cached()) is not None:  # by the process we waited for
                return found
            reasons: list[str] = []
            for key, origin in self._origins(cache):
                try:
                    with cache.adding(key) as folder:
                        origin(folder)
                    return programs_in(cache.path(key))
                except UnavailableError as reason:
                    say(f"{reason}; trying the next way to get Kubernetes" if not reasons else str(reason))
                    reasons.append(str(reason))
        raise ControlPlaneError(_nothing_found(reasons))

    def _origins(self, cache: Cache) -> list[tuple[str, Callable[[Path], None]]]:
        from_release = partial(download.download, index=self.release_index, releases=self.kubernetes_releases)
        from_sources = partial(build.build, module=self.module, cache=cache)
        return [(self._downloaded_key(), from_release), (self._built_key() or "built", from_sources)]

    def _downloaded_key(self) -> str:
        return "-".join([KUBERNETES_MINOR, *go_platform(), "envtest"])

    def _built_key(self) -> str | None:
        if self.module is None:
            return None
        return "-".join([KUBERNETES, *go_platform(), build.sources_hash(self.module)])


def find_programs() -> Programs:
    """The control plane's programs on this machine; see `Lookup.find`."""
    return Lookup().find()


def _nothing_found(reasons: list[str]) -> str:
    listed = "\n".join(f"- {reason}" for reason in reasons)
    return (
        f"there is no Kubernetes control plane to start:\n{listed}\n"
        f"Put etcd, kube-apiserver, kube-controller-manager and kubectl into a folder and set {ASSETS_VARIABLE} to it, "
        "or run goldenami from a checkout of its sources, with access to the Go module proxy."
    )
