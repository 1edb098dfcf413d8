"""What is kept of others' objects, and when it is read again."""

from dataclasses import dataclass, field

from goldenami.api.kinds import AWS_ACCOUNT, Key
from goldenami.controllers.kept import KEPT_SECONDS, Kept

KEY = Key(AWS_ACCOUNT.kind, "", "prod")


@dataclass
class Site:
    """An object as it is stored, and the version that the watch has told."""

    stored: tuple[str, str] | None = ("1", "first")
    seen: str | None = None
    reads: int = 0
    now: float = 1000.0
    kept: Kept[str] = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Kept(lambda _: self.seen, lambda: self.now)

    def read(self) -> tuple[str, str] | None:
        self.reads += 1
        return self.stored

    def get(self) -> str | None:
        return self.kept.get(KEY, self.read)


def test_what_the_watch_has_seen_unchanged_is_read_once() -> None:
    site = Site(seen="1")
    assert ([site.get() for _ in range(3)], site.reads) == (["first"] * 3, 1)


def test_what_the_watch_does_not_see_is_read_each_time() -> None:
    site = Site()
    assert ([site.get() for _ in range(3)], site.reads) == (["first"] * 3, 3)


def test_another_version_is_read_whether_the_watch_is_ahead_or_behind() -> None:
    site = Site(seen="1")
    site.get()
    site.seen = "2"  # told, and the read still answers the older one
    assert site.get() == "first"
    site.stored = ("2", "second")
    assert site.get() == "second"
    site.stored = ("3", "third")
    assert site.get() == "second"
    site.seen = "3"
    assert site.get() == "third"
    site.seen, site.stored = "3", ("4", "fourth")
    assert site.get() == "third"
    assert site.reads == 4


def test_what_is_gone_is_not_kept() -> None:
    site = Site(seen="1")
    site.get()
    site.seen = site.stored = None
    assert site.get() is None
    site.stored = ("9", "again")
    assert site.get() == "again"


def test_what_a_cut_watch_does_not_tell_is_found_after_some_seconds() -> None:
    site = Site(seen="1")
    site.get()
    site.stored = None  # deleted, and the watch goes on showing it
    site.now += KEPT_SECONDS - 1
    assert site.get() == "first"
    site.now += 1
    assert site.get() is None
