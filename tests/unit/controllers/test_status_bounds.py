"""A status is never more than its own definition admits: what cannot be told in full is cut, and what the next look needs comes first."""

from dataclasses import replace

import pytest

from goldenami.api.golden_image import MAX_ALIAS_ROWS, GoldenImageStatus
from goldenami.api.image_version import ImageVersion, ImageVersionStatus, Retirement
from goldenami.api.reasons import Reason
from goldenami.controllers import report, retiring
from goldenami.controllers.publish import within_bounds
from goldenami.controllers.retained import Retained
from goldenami.kube.client import Body
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.sharing import Shared
from goldenami.plan.whole import Look
from support.plan import ALICE, BOB, HOME, NOW, PARIS, accounts, golden_ami, observed, version, view

AMI = "ami-0a1b2c3d4e5f60718"
DECLARED = ImageVersion.from_object(
    {
        "metadata": {"name": "web-1.0.0", "namespace": "images", "generation": 3},
        "spec": {
            "goldenImage": "web",
            "version": "1.0.0",
            "name": "web-1.0.0",
            "source": {"image": {"id": AMI}},
            "region": HOME,
            "replicas": [{"region": PARIS}],
        },
    }
)
OF = version(tags={f"new-{number}": "x" for number in range(40)})


def told(look: Look, seen: Observed) -> ImageVersionStatus:
    """As the API server would take it."""
    return ImageVersionStatus.from_object(report.image_version(DECLARED, OF, look, seen, ()))


def waiting(seen: Observed) -> Look:
    image = seen.regions[PARIS].images[0]
    return Look(None, (Finding(PARIS, Reason.ACCESS_DENIED, "x" * 3000, image),), (), ())


def test_tags_of_before_are_remembered_beside_all_that_are_declared() -> None:
    seen = observed(view(golden_ami(AMI, snapshot_ids=())), tag_keys=frozenset(f"old-{number}" for number in range(40)))
    assert len(told(waiting(seen), seen).tag_keys) == 80


def test_of_too_many_tags_of_before_the_declared_ones_stay_remembered() -> None:
    seen = observed(view(golden_ami(AMI, snapshot_ids=())), tag_keys=frozenset(f"old-{number}" for number in range(900)))
    keys = told(waiting(seen), seen).tag_keys
    assert len(keys) == 256
    assert OF.tags.keys() <= set(keys)


def test_a_region_that_holds_an_image_that_is_kept_and_one_that_goes_is_one_row_of_foreign_grants() -> None:
    at = Finding(HOME, Reason.SUCCEEDED)
    look = Look(None, (), (Shared(at, foreign=accounts(ALICE)), Shared(at, foreign=accounts(BOB)), Shared(at)), ())
    (row,) = told(look, observed()).foreign_grants
    assert (row.region, row.principals) == (HOME, (ALICE, BOB))


def test_an_image_with_more_snapshots_than_instances_have_volumes() -> None:
    snapshots = tuple(f"snap-{number:017x}" for number in range(200))
    seen = observed(view(replace(golden_ami(AMI), snapshot_ids=snapshots)))
    assert len(told(waiting(seen), seen).replicas[0].snapshot_ids) == 128


@pytest.mark.parametrize("wait", [pytest.param("9999999w", id="of millennia"), pytest.param("9" * 60 + "w", id="of which no clock knows")])
def test_a_wait_that_an_older_release_admitted_is_told_though_no_calendar_has_its_end(wait: str) -> None:
    spec = DECLARED.spec.model_copy(update={"stage": "Disabled", "retirement": Retirement(disable_for=wait)})
    child = DECLARED.model_copy(update={"spec": spec})
    retained = Retained(declared=True, since={"1.0.0": NOW})
    (row,) = GoldenImageStatus.from_object({"retiring": retiring.rows(retained, {"1.0.0": child}, NOW)}).retiring
    assert (row.since, row.deregistered_after) == ("2023-11-14T22:13:20Z", "9999-12-31T23:59:59Z")
    pause = retiring.next_look_seconds(retained, {"1.0.0": child}, NOW)
    assert pause is not None
    assert pause > 1e9


def alias(number: int, region: str) -> Body:
    return {"parameter": f"/golden/web/{number:04}", "region": region, "imageId": AMI, "version": "1.0.0"}


def test_of_too_many_parameters_those_stay_told_that_nothing_else_would_find() -> None:
    rows = [*(alias(number, PARIS) for number in range(2500)), alias(9999, HOME)]
    kept = within_bounds(rows, {PARIS})
    assert len(GoldenImageStatus.from_object({"aliases": kept}).aliases) == MAX_ALIAS_ROWS
    assert [row["region"] for row in kept].count(HOME) == 1
    assert kept == sorted(kept, key=lambda row: (row["parameter"], row["region"]))
