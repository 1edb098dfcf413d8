"""The crash sweep: the operator is killed right before and right after each write of a run, and it ends in the undisturbed run's states.

A run applies a GoldenImage (three regions, one with a key of its own, two shares, an alias), edits it (a region and a share go, a share and
a tag come), and deletes it. By default a third of the points is swept, another one each day; `make sweep` takes all.
"""

import datetime
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e import sweep
from e2e.sweep import Point, Stage
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.launcher import Launcher

AT_ONCE = 3


@pytest.fixture(scope="module")
def stage(control_plane: ControlPlane, apply_crds: None, fast_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Launcher() as launcher:
        yield Stage(control_plane, fast_aws, launcher, tmp_path_factory.mktemp("sweep"))


def chosen(points: list[Point], mode: str) -> list[Point]:
    """All, or the third of today."""
    return points if mode == "all" else points[datetime.datetime.now(datetime.UTC).toordinal() % 3 :: 3]


def test_killed_at_any_write_it_ends_in_the_same_state(stage: Stage, new_account: Callable[[], str], pytestconfig: pytest.Config) -> None:
    with sweep.run(stage, "sweep-undisturbed", new_account()) as undisturbed:
        expected = undisturbed.phases()
        points = sweep.writes_of(undisturbed)
    assert [image["state"] for image in expected["applied"]["aws"]["eu-west-1"]["images"]] == ["available"]
    assert expected["edited"]["aws"]["ap-southeast-2"]["images"] == []
    assert all(region["images"] == [] and region["parameters"] == {} for region in expected["deleted"]["aws"].values())

    sweep_points = chosen(points, pytestconfig.getoption("--sweep"))
    numbered = [(point, f"sweep-{number}", new_account()) for number, point in enumerate(sweep_points)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda job: (job[0], attempt(stage, job[0], job[1], job[2], expected)), numbered))

    failures = {str(point): result for point, result in results if isinstance(result, str)}
    reached = [point for point, result in results if result is True]
    print(f"{len(points)} points, {len(sweep_points)} swept, {len(reached)} reached")
    assert not failures, "\n\n".join(f"=== killed {point}\n{told}" for point, told in failures.items())
    # How often a status is written depends on timing, so a late one may not occur again. Every write to AWS does.
    assert [point for point, result in results if result is False and point.in_aws] == []
    assert len(reached) >= len(sweep_points) * 3 // 4


def attempt(stage: Stage, point: Point, name: str, account: str, expected: dict[str, sweep.State]) -> bool | str:
    """Whether the point was reached, or what went wrong."""
    try:
        return sweep.killed_at(stage, point, name, account, expected)
    except Exception as error:  # noqa: BLE001 - one point's failure must not hide the others'
        return "".join(traceback.format_exception(error))[-6000:]
