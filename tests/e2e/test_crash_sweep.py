"""The crash sweep: the operator is killed right before and right after each write of a story, and comes to the undisturbed run's states.

`e2e.stories` tells them. A run is killed once in each act of its story: an act begins where all have come to the undisturbed state, so its
points need no runs of their own, and what an earlier kill left behind has one more chance to show. By default a part of the points is
swept, another one each day: a third of the main job's, a ninth of the others'. `make sweep` takes all.
"""

import datetime
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import pytest

from e2e import sweep
from e2e.states import State
from e2e.stories import STORIES
from e2e.sweep import Point, Stage, Story
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.launcher import Launcher

AT_ONCE = 3
TOLD = 12_000
"""Characters of a failure."""


@pytest.fixture(scope="module")
def stage(control_plane: ControlPlane, fast_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Launcher() as launcher:
        yield Stage(control_plane, fast_aws, launcher, tmp_path_factory.mktemp("sweep"))


def chosen(points: list[Point], mode: str, days: int) -> list[Point]:
    """All, those of today, or every n-th."""
    if mode == "all":
        return points
    part, _, parts = (f"{datetime.datetime.now(datetime.UTC).toordinal() % days}/{days}" if mode == "rotating" else mode).partition("/")
    return points[int(part) % int(parts) :: int(parts)]


@pytest.mark.parametrize("story", [pytest.param(story, id=story.name) for story in STORIES])
def test_killed_at_any_write_it_ends_in_the_same_state(
    stage: Stage, story: Story, new_account: Callable[[], str], pytestconfig: pytest.Config
) -> None:
    prefix = f"sweep-{story.name.replace(' ', '-')}"
    with sweep.run(stage, f"{prefix}-undisturbed", new_account()) as undisturbed:
        expected = undisturbed.play(story)
        points = sweep.writes_of(undisturbed, story)
    story.check(expected)

    swept = [chosen(each, pytestconfig.getoption("--sweep"), story.days) for each in points.values()]
    together = [[point for point in each if point] for each in zip_longest(*swept)]
    numbered = [(each, f"{prefix}-{number}", new_account()) for number, each in enumerate(together)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda job: attempt(stage, story, job[0], job[1], job[2], expected), numbered))

    failures = [result for result in results if isinstance(result, str)]
    reached = {point for result in results if not isinstance(result, str) for point in result}
    unreached = [point for each in swept for point in each if point not in reached]
    print(f"{story.name}: {sum(map(len, points.values()))} points, {sum(map(len, swept))} in {len(together)} runs, {len(reached)} reached")
    assert not failures, "\n\n".join(failures)
    if unreached:
        warnings.warn(f"{story.name}: not reached {', '.join(map(str, unreached))}", stacklevel=1)  # told of tests that pass, too
    # How often a status is written depends on timing, so a late one may not occur again. Every write to AWS does.
    assert [str(point) for point in unreached if point.in_aws] == []
    assert len(reached) >= sum(map(len, swept)) * 3 // 4


def attempt(stage: Stage, story: Story, points: list[Point], name: str, account: str, expected: dict[str, State]) -> list[Point] | str:
    """The points that were reached, or what went wrong."""
    try:
        with sweep.run(stage, name, account, {point.act: point for point in points}) as run:
            run.play(story, expected)
            return run.reached
    except Exception as error:  # noqa: BLE001 - one run's failure must not hide the others'
        told = "".join(traceback.format_exception(error))
        # What differs comes first, the operator's log last.
        told = told if len(told) <= TOLD else f"{str(error)[: TOLD // 2]}\n…\n{told[-TOLD // 2 :]}"
        return f"=== killed {', '.join(map(str, points))}\n{told}"
