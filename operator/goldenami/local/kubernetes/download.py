"""The published programs: the envtest archive of controller-tools, and the controller manager of the same Kubernetes release.

The archive holds etcd, kube-apiserver and kubectl but no controller manager, so that comes from Kubernetes' own release, which has one for
Linux only. Nothing is used whose SHA-512 is not the published one.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import yaml

from .errors import UnavailableError
from .programs import CONTROLLER_MANAGER, REQUIRED
from .progress import download_bar
from .versions import KUBERNETES_MINOR, go_platform

# Lists every envtest archive with its address and its SHA-512; the index that setup-envtest reads.
RELEASE_INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
# Kubernetes' releases; a file's SHA-512 is beside it, under the same name with .sha512.
KUBERNETES_RELEASES = "https://dl.k8s.io/release"

TIMEOUT_SECONDS = 10.0  # of silence, not of the whole download
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Release:
    """One published archive."""

    version: str
    url: str
    sha512: str


def download(folder: Path, *, index: str = RELEASE_INDEX, releases: str = KUBERNETES_RELEASES) -> None:
    """Puts all programs into that folder. Raises UnavailableError when one cannot be had, or is not what was published."""
    system, architecture = go_platform()
    if system != "linux":
        raise UnavailableError(f"Kubernetes publishes a kube-controller-manager for Linux only, not for {system}")
    release = newest_release(_document(index), f"{system}-{architecture}", source=index)
    archive = folder / "archive.tar.gz"
    _download(release.url, archive, sha512=release.sha512)
    _extract(archive, folder)
    archive.unlink()
    manager = f"{releases}/{release.version}/bin/{system}/{architecture}/{CONTROLLER_MANAGER}"
    _download(manager, folder / CONTROLLER_MANAGER, sha512=_text(f"{manager}.sha512").strip())
    (folder / CONTROLLER_MANAGER).chmod(0o755)


def newest_release(document: Any, platform: str, *, source: str) -> Release:
    """The newest archive of our Kubernetes minor for that platform. Raises UnavailableError when the index has none."""
    found: dict[int, Release] = {}
    try:
        for version, files in document["releases"].items():
            minor, _, patch = version.rpartition(".")
            entry = files.get(f"envtest-{version}-{platform}.tar.gz")
            if entry is not None and minor == KUBERNETES_MINOR and patch.isdigit():
                found[int(patch)] = Release(version, entry["selfLink"], entry["hash"])
    except (AttributeError, KeyError, TypeError) as error:
        raise UnavailableError(f"{source} is no index of envtest archives") from error
    if not found:
        raise UnavailableError(f"{source} lists no archive of Kubernetes {KUBERNETES_MINOR} for {platform}")
    return found[max(found)]


def _document(url: str) -> Any:
    try:
        # BaseLoader: every scalar is text, also a checksum that happens to look like a number.
        return yaml.load(_text(url), Loader=yaml.BaseLoader)  # noqa: S506 (it makes nothing but text, lists and mappings)
    except yaml.YAMLError as error:
        raise UnavailableError(f"{url} is no YAML") from error


def _text(url: str) -> str:
    with _opened(url) as response:
        return response.read().decode("utf-8", errors="replace")


def _download(url: str, path: Path, *, sha512: str) -> None:
    digest = hashlib.sha512()
    with _opened(url) as response, path.open("wb") as file:
        total = cast(http.client.HTTPResponse, response).length
        with download_bar(f"downloading {url.rpartition('/')[2]}", total) as advance:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    if digest.hexdigest() != sha512.lower():
        raise UnavailableError(
            f"{url} is not what was published: its SHA-512 begins {digest.hexdigest()[:16]}, and should begin {sha512[:16]}"
        )


@contextmanager
def _opened(url: str) -> Iterator[BinaryIO]:
    """Follows redirects and the usual proxy variables. Any failure, also one in the block's reading, is UnavailableError."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 (the addresses are constants, or from a verified index)
            yield response
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnavailableError(f"cannot download {url}: {getattr(error, 'reason', None) or error}") from error


def _extract(archive: Path, folder: Path) -> None:
    """Only the programs, by their names alone: whatever paths an archive may hold, nothing is written elsewhere."""
    try:
        with tarfile.open(archive) as members:
            wanted = {Path(member.name).name: member for member in members if member.isfile()}
            for name in REQUIRED:
                content = members.extractfile(wanted[name])
                assert content is not None, "a regular file has content"
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
                (folder / name).chmod(0o755)
    except (tarfile.TarError, EOFError) as error:
        raise UnavailableError(f"the archive cannot be read: {error}") from error
    except KeyError as error:
        raise UnavailableError(f"the archive has no {error.args[0]}") from error
