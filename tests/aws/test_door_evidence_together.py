"""What evidence costs in a look: images that go together share calls, and while EC2 makes a report nothing else is asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.aws.evidence.reports import ASK_AGAIN_SECONDS
from goldenami.aws.inventory import Inventory
from goldenami.controllers.dependents import Family
from goldenami.controllers.gather import Freshness, Gatherer
from goldenami.local.aws import LocalAws, lab
from goldenami.plan.desired import Version
from goldenami.plan.evidence import LAUNCH_LAG_SECONDS, Evidence, Rules, Source, Testimony, objection
from goldenami.plan.identity import OWNER as OWNER_TAG
from goldenami.plan.observed import Finding, Need, NeedKind, Observed
from goldenami.plan.values import NOBODY
from goldenami.plan.whole import Look
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.plan import accounts
from support.plan import version as declared

IN_KUBERNETES = {Source.GOLDEN_IMAGES, Source.CHANNELS}
REPORTS = "ec2.DescribeImageUsageReports"


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def owned(door: Door, count: int = 1, **traits: Any) -> list[str]:
    """Images of ours, listed a moment ago."""
    made = [door.cloud.image(**traits) for _ in range(count)]
    door.cloud.ec2().create_tags(Resources=made, Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()])
    door.cloud.pass_time(0.001)
    door.inventory.region(door.home, not_older_than=door.now)
    door.cloud.pass_time(1.0)
    return made


def look(
    door: Door,
    image_id: str,
    *,
    shared: bool = True,
    rules: Rules | None = None,
    mutable: bool = True,
    inventory: Inventory | None = None,
    after_seconds: float = 0.001,
) -> Evidence:
    """What a look that is about to take the image away has found out, a moment after whatever was done last."""
    if after_seconds:
        door.cloud.pass_time(after_seconds)
    gatherer = Gatherer(
        inventory=inventory or door.inventory,
        version=declared(
            door.home.region,
            owner=OWNER,
            version=VERSION,
            account=door.account,
            rules=rules or Rules(),
            shared=accounts(door.cloud.other) if shared else NOBODY,
        ),
        regions=frozenset({door.home.region}),
        freshness=Freshness(0.0, 0.0),
        recorded={},
        recorded_source_image_id="",
        granted=NOBODY,
        tag_keys=frozenset(),
        dependents=lambda *_: Family(Testimony(Source.GOLDEN_IMAGES)),
        mutable=mutable,
        now=lab.current().clock.now,
    )
    need = Need(NeedKind.EVIDENCE, door.home.region, image_id)

    def decide(_: Version, observed: Observed) -> Look:
        needs = () if image_id in observed.evidence else (need,)
        return Look(None, (), (), (Finding(door.home.region, Reason.RETIRING, "", needs=needs),))

    _, observed = gatherer.look(decide)
    return observed.evidence[image_id]


def witnesses(found: Evidence) -> set[Source]:
    return {each.source for each in found.testimonies if each.users}


def instance(door: Door, image_id: str) -> str:
    made = door.cloud.ec2().run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    return str(made["Instances"][0]["InstanceId"])


# --- many images ---


def test_images_that_are_asked_about_at_the_same_time_share_what_is_read_by_image(door: Door) -> None:
    images = owned(door, 12)
    user = instance(door, images[7])
    door.cloud.pass_time(1.0)
    door.forget_audit()
    door.inventory.expect_evidence(door.home, images, Rules())
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda image_id: look(door, image_id, shared=False, after_seconds=0.0), images))
    assert [each.users for each in found] == [(f"instance {user}",) if image_id == images[7] else () for image_id in images]
    assert all(each.problem is None and not each.pending and not each.missing for each in found)
    counts = door.counts()
    assert (counts["ec2.DescribeImages"], counts["ec2.DescribeInstances"], counts["ec2.DescribeImageReferences"]) == (1, 1, 2)
    assert max(counts.values()) == 2


def test_nobody_is_answered_by_what_was_read_before_he_asked(door: Door) -> None:
    first, second = owned(door, 2)
    door.inventory.expect_evidence(door.home, [first, second], Rules())
    assert not look(door, first, shared=False).users
    user = instance(door, second)
    assert look(door, second, shared=False).users == (f"instance {user}",)


def test_one_bad_id_spoils_nobody_s_answer(door: Door) -> None:
    (image_id,) = owned(door)
    user = instance(door, image_id)
    door.inventory.expect_evidence(door.home, ["ami-nonsense", "ami-0123456789abcdef0"], Rules())
    found = look(door, image_id, shared=False)
    assert witnesses(found) == {Source.INSTANCES, Source.REFERENCES}
    assert (found.users, found.problem) == ((f"instance {user}",), None)


def test_images_whose_rules_differ_share_no_call(door: Door) -> None:
    """EC2 looks as deep for all images of a call."""
    shallow, deep = owned(door, 2)
    ec2 = door.cloud.ec2()
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": deep, "InstanceType": "t3.micro"})
    for image_id in (shallow, *(door.cloud.image() for _ in range(2))):
        ec2.create_launch_template_version(LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    ec2.modify_launch_template(LaunchTemplateName="web", DefaultVersion="4")
    door.cloud.pass_time(1.0)
    for depth in (2, None):
        door.inventory.expect_evidence(door.home, [shallow, deep], Rules(template_versions=depth))
    assert Source.REFERENCES not in witnesses(look(door, shallow, shared=False, after_seconds=0.0, rules=Rules(template_versions=2)))
    assert Source.REFERENCES in witnesses(look(door, deep, shared=False, after_seconds=0.0, rules=Rules(template_versions=None)))


# --- the image itself ---


def taken_over(door: Door, image_id: str) -> None:
    door.cloud.ec2().create_tags(Resources=[image_id], Tags=[{"Key": OWNER_TAG, "Value": "test/images/other"}])


def launched_lately(door: Door, image_id: str) -> None:
    door.cloud.pass_time(LAUNCH_LAG_SECONDS)
    door.cloud.ec2().terminate_instances(InstanceIds=[instance(door, image_id)])
    door.cloud.pass_time(lab.current().settings.launched_seconds + 1.0)


@pytest.mark.parametrize("since_it_was_listed", [taken_over, launched_lately])
def test_what_the_image_tells_of_itself_is_read_anew_and_judged(door: Door, since_it_was_listed: Callable[[Door, str], None]) -> None:
    rules = Rules(policy=True)
    image_id, other = owned(door, 2, age_seconds=100 * 86_400.0)
    assert objection(look(door, image_id, shared=False, rules=rules), door.now) is None
    since_it_was_listed(door, image_id)
    assert objection(look(door, image_id, shared=False, rules=rules), door.now) is not None
    assert objection(look(door, other, shared=False, rules=rules), door.now) is None


def test_it_is_read_last_and_only_where_nothing_else_keeps_the_image(door: Door) -> None:
    used, free = owned(door, 2)
    instance(door, used)
    door.forget_audit()
    look(door, used, shared=False)
    assert "ec2.DescribeImages" not in door.counts()
    look(door, free, shared=False)
    calls = [call.name for call in door.cloud.aws.lab.audit_calls(account=door.account.account_id)]
    assert calls.count("ec2.DescribeImages") == 1
    assert calls[-1] == "ec2.DescribeImages"


# --- while a report is made ---


def test_while_a_report_is_made_it_is_asked_for_alone_and_nothing_passes(door: Door) -> None:
    (image_id,) = owned(door)
    first = look(door, image_id)
    assert [each.source for each in first.testimonies if each.pending] == [Source.USAGE_REPORTS]
    door.forget_audit()
    for _ in range(3):
        found = look(door, image_id)
        assert {each.source for each in found.testimonies if not each.pending} == IN_KUBERNETES
        assert (found.missing, found.complete) == ((), False)
        assert found.pending_since_epoch_seconds == int(first.pending_since_epoch_seconds)
        assert objection(found, door.now) is not None
    assert door.counts() == {REPORTS: 3}
    door.cloud.pass_time(100.0)
    assert objection(look(door, image_id), door.now) is None
    # It was asked for once, and what was read before the report was there counts for nothing.
    counts = door.counts()
    assert counts[REPORTS] == 4
    assert counts["ec2.DescribeInstances"] == counts["ec2.DescribeImageReferences"] == counts["ec2.DescribeImages"] == 1


def test_a_user_who_appears_while_a_report_is_made_is_found_before_the_step(door: Door) -> None:
    (image_id,) = owned(door)
    look(door, image_id)
    assert look(door, image_id).pending
    user = instance(door, image_id)
    door.cloud.pass_time(100.0)
    assert look(door, image_id).users == (f"instance {user}",)


def test_users_are_told_before_any_report_is_made(door: Door) -> None:
    (image_id,) = owned(door)
    user = instance(door, image_id)
    for _ in range(2):
        assert look(door, image_id).users == (f"instance {user}",)
    assert door.cloud.ec2().describe_image_usage_reports()["ImageUsageReports"] == []


def deleted_by_somebody(door: Door, image_id: str) -> None:
    (report,) = door.cloud.ec2().describe_image_usage_reports()["ImageUsageReports"]
    door.cloud.ec2().delete_image_usage_report(ReportId=report["ReportId"])


def slow_report(door: Door, _: str) -> None:
    door.cloud.pass_time(ASK_AGAIN_SECONDS + 1.0)


def disabled(door: Door, image_id: str) -> None:
    door.cloud.ec2().disable_image(ImageId=image_id)
    door.cloud.pass_time(0.001)
    door.inventory.region(door.home, not_older_than=door.now)


def reports_are_forbidden(door: Door, _: str) -> None:
    door.fault("refuse", operation=REPORTS, code="UnauthorizedOperation", status=403)


@pytest.mark.parametrize(
    ("happens", "changes"),
    [
        pytest.param(deleted_by_somebody, {}, id="the report is gone"),
        pytest.param(slow_report, {}, id="it takes more than five minutes"),
        pytest.param(disabled, {}, id="the image is in another state than the report is about"),
        pytest.param(reports_are_forbidden, {}, id="the reports cannot be listed"),
        pytest.param(lambda *_: None, {"rules": Rules(usage_reports=False)}, id="the policy requires none any more"),
        pytest.param(lambda *_: None, {"mutable": False}, id="nothing may be made any more"),
    ],
)
def test_everybody_is_asked_again_where(door: Door, happens: Callable[[Door, str], None], changes: dict[str, Any]) -> None:
    lab.current().settings.usage_report_seconds = 3600.0
    (image_id,) = owned(door)
    look(door, image_id)
    assert look(door, image_id).pending
    happens(door, image_id)
    door.forget_audit()
    look(door, image_id, **changes)
    assert door.counts()["ec2.DescribeInstances"] == 1


def test_another_process_asks_everybody_once_more(door: Door) -> None:
    (image_id,) = owned(door)
    look(door, image_id)
    restarted = Inventory(door.calls, clock=lab.current().clock.now)
    door.forget_audit()
    assert look(door, image_id, inventory=restarted).pending
    assert look(door, image_id, inventory=restarted).pending
    assert door.counts()["ec2.DescribeInstances"] == 1
    assert "ec2.CreateImageUsageReport" not in door.counts()
