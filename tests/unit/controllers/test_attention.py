"""Which sighting wakes whom, on virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from goldenami.api.kinds import RECONCILE_REQUESTED, Key
from goldenami.controllers.attention import CHILD_SECONDS, Attention, interval_seconds
from goldenami.controllers.caretaker import Outcome, Pace
from goldenami.controllers.caretakers import Caretakers
from goldenami.kube.seen import How, Seen, deleted, seen_object
from support.virtual_time import on_virtual_time

WEB = Key("GoldenImage", "images", "web")
API = Key("GoldenImage", "images", "api")
CHILD = Key("ImageVersion", "images", "web-1.0.0")
PARTNERS = Key("ShareList", "images", "partners")
NAMESPACE = Key("Namespace", "", "images")
BUILD = Key("AWSAccount", "", "build")

USES_LIST: dict[str, Any] = {"sharing": {"shareListRefs": [{"name": "partners"}]}}
USES_ACCOUNT: dict[str, Any] = {"accountRef": {"name": "build"}}


class World:
    """Objects as the API server would show them; every change is a new resourceVersion."""

    def __init__(self) -> None:
        self.version = 0
        self.looks: Counter[Key] = Counter()
        self.order: list[Key] = []
        self.gone: set[Key] = set()

    def show(self, key: Key, *, how: How = How.MODIFIED, generation: int = 1, uid: str = "1", spec: Any = None, **extra: Any) -> Seen:
        self.version += 1
        metadata = {"name": key.name, "namespace": key.namespace, "uid": uid, "generation": generation, **extra.get("metadata", {})}
        metadata["resourceVersion"] = extra.get("resource_version", str(self.version))
        return seen_object(key.kind, how, {"metadata": metadata, "spec": spec or {}, "status": extra.get("status", {})})

    def look(self, key: Key) -> Outcome:
        self.looks[key] += 1
        self.order.append(key)
        return Outcome(gone=key in self.gone)

    async def run(self, work: Callable[[], Outcome]) -> Outcome:
        return work()

    def attention(self) -> Attention:
        reconcilers = {"GoldenImage": self.look, "ImageVersion": self.look}
        self.caretakers = Caretakers(reconcilers, run=self.run, pace=Pace(resync_seconds=1e6), chance=random.Random(1))
        return Attention(self.caretakers)


def woken_by(world: World, before: list[Seen], *after: Seen) -> Counter[Key]:
    """The looks that the later sightings lead to, once the earlier ones have settled."""

    async def main() -> Counter[Key]:
        attention = world.attention()
        for seen in before:
            attention.seen(seen)
        await asyncio.sleep(70)
        settled = world.looks.copy()
        for seen in after:
            attention.seen(seen)
        await asyncio.sleep(70)
        return world.looks - settled

    return on_virtual_time(main())


def test_only_what_its_signature_holds_wakes_an_object() -> None:
    world = World()
    first = world.show(WEB, how=How.ADDED)
    assert woken_by(world, [first], world.show(WEB), world.show(WEB, status={"observedGeneration": 1})) == {}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"generation": 2}, id="a new generation"),
        pytest.param({"uid": "2"}, id="a new incarnation"),
        pytest.param({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, id="a deletion asked for"),
        pytest.param({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}}, id="a look asked for"),
    ],
)
def test_each_part_of_the_signature_wakes(change: dict[str, Any]) -> None:
    world = World()
    assert woken_by(world, [world.show(WEB, how=How.ADDED)], world.show(WEB, **change)) == {WEB: 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"metadata": {"labels": {"team": "web"}}}, id="a label"),
        pytest.param({"metadata": {"annotations": {"example.com/note": "hello"}}}, id="an annotation of somebody else"),
        pytest.param({"metadata": {"finalizers": ["goldenami.dev/cleanup"]}}, id="a finalizer"),
    ],
)
def test_other_metadata_wakes_nobody(change: dict[str, Any]) -> None:
    world = World()
    assert woken_by(world, [world.show(WEB, how=How.ADDED)], world.show(WEB, **change)) == {}


@pytest.mark.parametrize("how", [How.ADDED, How.LISTED])
def test_what_appears_wakes_its_waiters_alone(how: How) -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED, spec=USES_LIST), world.show(API, how=How.ADDED)]
    assert woken_by(world, before, world.show(PARTNERS, how=how)) == {WEB: 1}


def test_what_is_edited_or_deleted_wakes_its_users() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED, spec=USES_LIST), world.show(PARTNERS, how=How.ADDED)]
    assert woken_by(world, before, world.show(PARTNERS, generation=2)) == {WEB: 1}
    world = World()
    before = [world.show(WEB, how=How.ADDED, spec=USES_LIST), world.show(PARTNERS, how=How.ADDED)]
    assert woken_by(world, before, deleted(PARTNERS, "1")) == {WEB: 1}


def test_a_reference_that_was_dropped_wakes_no_longer() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED, spec=USES_LIST), world.show(PARTNERS, how=How.ADDED), world.show(WEB, generation=2)]
    assert woken_by(world, before, world.show(PARTNERS, generation=2)) == {}


def test_labels_of_a_namespace_wake_those_in_it_that_name_an_account() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED, spec=USES_ACCOUNT), world.show(API, how=How.ADDED), world.show(NAMESPACE, how=How.LISTED)]
    assert woken_by(world, before, world.show(NAMESPACE, metadata={"labels": {"team": "web"}})) == {WEB: 1}
    assert woken_by(World(), before, world.show(NAMESPACE, metadata={"annotations": {"note": "hello"}})) == {}


def test_a_childs_status_wakes_its_parent_and_a_parents_status_wakes_nobody() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED), world.show(CHILD, how=How.ADDED, spec={"goldenImage": "web"})]
    child_status = world.show(CHILD, status={"observedGeneration": 1}, spec={"goldenImage": "web"})
    assert woken_by(world, before, child_status) == {WEB: 1}
    world = World()
    assert woken_by(world, before, world.show(WEB, status={"observedGeneration": 1})) == {}


def test_the_first_child_that_changes_wakes_its_parent_at_once_and_all_others_meanwhile_make_one_look_more() -> None:
    world = World()

    async def main() -> list[int]:
        attention, looks = world.attention(), []
        for number in range(20):
            child = Key("ImageVersion", "images", f"web-1.{number}.0")
            attention.seen(world.show(child, how=How.ADDED, spec={"goldenImage": "web"}))
            attention.seen(world.show(child, status={"observedGeneration": 1}, spec={"goldenImage": "web"}))
            await asyncio.sleep(CHILD_SECONDS / 100)
        looks.append(world.looks[WEB])
        await asyncio.sleep(CHILD_SECONDS)
        looks.append(world.looks[WEB])
        await asyncio.sleep(CHILD_SECONDS)
        attention.seen(world.show(CHILD, status={"observedGeneration": 2}, spec={"goldenImage": "web"}))
        await asyncio.sleep(CHILD_SECONDS / 100)
        return [*looks, world.looks[WEB]]

    assert on_virtual_time(main()) == [1, 2, 3]


def test_a_child_that_changes_after_an_edit_was_looked_at_is_looked_at_as_well() -> None:
    """The look that its siblings had planned began earlier, because of the edit."""
    world = World()

    async def main() -> tuple[int, int]:
        attention = world.attention()
        attention.seen(world.show(WEB, how=How.ADDED))
        for number in (1, 2):
            attention.seen(world.show(CHILD, status={"observedGeneration": number}, spec={"goldenImage": "web"}))
            await asyncio.sleep(CHILD_SECONDS / 10)
        attention.seen(world.show(WEB, generation=2))
        await asyncio.sleep(CHILD_SECONDS / 10)
        before = world.looks[WEB]
        attention.seen(world.show(CHILD, status={"observedGeneration": 3}, spec={"goldenImage": "web"}))
        await asyncio.sleep(CHILD_SECONDS)
        return before, world.looks[WEB]

    before, after = on_virtual_time(main())
    assert after == before + 1


def test_a_childs_end_wakes_its_parent_even_when_only_the_sweep_noticed() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED), world.show(CHILD, how=How.ADDED, spec={"goldenImage": "web"})]
    assert woken_by(world, before, deleted(CHILD, "1")) == {WEB: 1, CHILD: 1}


def test_the_late_report_of_an_earlier_incarnations_end_is_no_news() -> None:
    world = World()
    before = [world.show(WEB, how=How.ADDED, uid="2")]
    assert woken_by(world, before, deleted(WEB, "1")) == {}


def test_a_new_list_of_what_is_known_wakes_nobody() -> None:
    world = World()
    child: dict[str, Any] = {"spec": {"goldenImage": "web"}, "resource_version": "7"}
    before = [world.show(WEB, how=How.LISTED, resource_version="5"), world.show(CHILD, how=How.LISTED, **child)]
    again = [world.show(WEB, how=How.LISTED, resource_version="5"), world.show(CHILD, how=How.LISTED, **child)]
    assert woken_by(world, before, *again) == {}


def test_at_a_start_each_object_is_looked_at_once_and_those_that_are_not_ready_first() -> None:
    world = World()
    ready = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
    names = [f"image-{number:03}" for number in range(100)]
    listed = [
        world.show(Key("GoldenImage", "images", name), how=How.LISTED, spec=USES_LIST, status=ready if number % 2 else {})
        for number, name in enumerate(names)
    ]
    woken_by(world, [*listed, world.show(PARTNERS, how=How.LISTED), world.show(BUILD, how=How.LISTED)])
    assert [key.name for key in world.order] == [*names[0::2], *names[1::2]]


def test_what_is_in_sight_and_has_nobody_is_looked_at_and_named() -> None:
    """That cannot happen but by a bug, as there was one; here a look says that an object is gone which the watch still shows."""
    world = World()

    async def main() -> None:
        attention = world.attention()
        world.gone.add(WEB)
        for key in (WEB, API, PARTNERS, NAMESPACE):  # nobody has to look at the last two
            attention.seen(world.show(key, how=How.LISTED))
        assert attention.mend() == []  # they are gathered, to be looked at in order
        await asyncio.sleep(1)
        world.gone.clear()
        assert attention.mend() == [WEB]
        assert attention.mend() == []
        await asyncio.sleep(1)
        assert attention.mend() == []

    on_virtual_time(main())
    assert world.looks == {WEB: 2, API: 1}


def test_while_the_process_ends_nobody_is_missing() -> None:
    world = World()

    async def main() -> None:
        attention = world.attention()
        attention.seen(world.show(WEB, how=How.ADDED))
        await asyncio.sleep(1)
        await world.caretakers.drain(1)
        assert attention.mend() == []

    on_virtual_time(main())
    assert world.looks == {WEB: 1}


def test_a_gone_object_is_forgotten_with_what_it_referred_to() -> None:
    world = World()

    async def main() -> None:
        attention = world.attention()
        attention.seen(world.show(WEB, how=How.ADDED, spec=USES_LIST))
        await asyncio.sleep(1)
        world.gone.add(WEB)
        attention.seen(deleted(WEB, "1"))
        attention.seen(world.show(PARTNERS, how=How.ADDED))
        await asyncio.sleep(1)
        assert WEB not in world.caretakers
        assert set(attention.known_uids) == {PARTNERS}

    on_virtual_time(main())
    assert world.looks == {WEB: 2}


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param({"interval": "10m"}, 600.0, id="minutes"),
        pytest.param({"interval": "1h30m"}, 5400.0, id="hours and minutes"),
        pytest.param({}, None, id="absent"),
        pytest.param({"interval": "0s"}, None, id="zero is no interval"),
        pytest.param({"interval": "soon"}, None, id="no duration"),
        pytest.param({"interval": 5}, None, id="no text"),
    ],
)
def test_the_interval_of_a_spec(spec: dict[str, Any], seconds: float | None) -> None:
    assert interval_seconds(spec) == seconds
