"""EC2's reports of an image's use in other accounts. Sources: CreateImageUsageReport, DescribeImageUsageReports, …ReportEntries.

A report is made in the background, tells what was so a day ago (instances) or some days ago (templates, recipes), and is kept for 30 days.
Ours carry the owner's tag and the state that the image had: what was found out before it was disabled is not what is known since.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from goldenami.api.reasons import Reason
from goldenami.aws import translate
from goldenami.aws.batched import Batched
from goldenami.aws.errors import AwsError, NotFound
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.evidence.references import DEEPEST, INSTANCE, RECIPES, TEMPLATE
from goldenami.aws.holding import PAGE, paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony
from goldenami.plan.identity import OWNER, PREFIX
from goldenami.plan.values import Problem

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 300.0
"""For how long nobody else is asked while a report is made. A user who appears meanwhile is named after this, and has the image back."""
REPORTS_A_CALL = 200
VALID_SECONDS = 86_400.0
"""How old a report may be: what it tells is a day old when it is made."""
FAILED_SECONDS = 300.0
"""A report that failed is asked for again after this."""
PENDING = "EC2 is making the report of its use in other accounts"
TOKEN_SECONDS = 10.0
MOST_DELETED = 20
"""In one look."""
STATE = f"{PREFIX}image-state"
_WORDS = {INSTANCE: "instance", TEMPLATE: "launch template", RECIPES[0]: "image recipe", RECIPES[1]: "container recipe"}

Report = Mapping[str, Any]


def usage_reports(question: Question) -> Testimony:
    if not question.rules.usage_reports:
        return Testimony(Source.USAGE_REPORTS, note="the policy does not require it")
    if not question.asked.shared:
        return Testimony(Source.USAGE_REPORTS, note="no other account can launch it")
    if not question.asked.mutable:
        return Testimony(Source.USAGE_REPORTS, note="a report would have to be made, and nothing is changed while only observed")
    ours = _ours(question)
    about_it = _about(question, ours)
    newest = about_it[-1] if about_it else None
    if newest is None or not _counts(question, newest):
        _create(question, newest)
        return Testimony(Source.USAGE_REPORTS, pending=True, note=PENDING, pending_since_epoch_seconds=question.now)
    # Also those about images that are gone by now.
    for old in [report for report in ours if report is not newest and (report in about_it or _expired(question, report))][:MOST_DELETED]:
        _delete(question, old)
    if newest["State"] == "pending":
        return _pending(newest)
    if newest["State"] != "available":
        why = newest.get("StateReason") or "EC2 gave no reason"
        told = f"EC2 could not report the use in other accounts: {why}. It is asked again"
        return Testimony(Source.USAGE_REPORTS, problem=Problem(Reason.EVIDENCE_INCOMPLETE, told))
    return Testimony(Source.USAGE_REPORTS, _users(question, newest))


def remember(question: Question) -> None:
    """Everything was asked a moment ago, nobody was found, and the report is all that is waited for."""
    _waiting(question)[question.image.image_id] = question.now


def awaited(question: Question) -> Testimony | None:
    """That the report is still being made, where nothing else was waited for a moment ago; None where everything has to be asked.

    It makes no report: whoever uses the image is told before that. Raises AwsError.
    """
    asked_at = _waiting(question).get(question.image.image_id)
    if asked_at is None or question.now - asked_at > ASK_AGAIN_SECONDS or not (question.rules.usage_reports and question.asked.mutable):
        return None
    about_it = _about(question, _ours(question))
    is_made = about_it and about_it[-1]["State"] == "pending" and _counts(question, about_it[-1])
    return _pending(about_it[-1]) if is_made else None


def forget(question: Question) -> None:
    _waiting(question).pop(question.image.image_id, None)


def _waiting(question: Question) -> dict[str, float]:
    """When everybody was asked about an image whose report is waited for."""
    return question.listings.memory("usage reports waited for")


def _pending(report: Report) -> Testimony:
    since = translate.epoch_seconds(report["CreationTime"])
    return Testimony(Source.USAGE_REPORTS, pending=True, note=PENDING, pending_since_epoch_seconds=since)


def _about(question: Question, reports: Sequence[Report]) -> list[Report]:
    return [report for report in reports if report["ImageId"] == question.image.image_id]


def _ours(question: Question) -> list[Report]:
    """Those of this owner in the place, whatever image they are about, oldest first."""
    rows = question.listings.get("usage reports", lambda: _read(question.listings), question.since)
    mine = [row for row in rows if translate.tags(row.get("Tags")).get(OWNER) == str(question.asked.owner)]
    return sorted(mine, key=lambda row: (translate.epoch_seconds(row["CreationTime"]), str(row["ReportId"])))


def _read(listings: Listings) -> list[Report]:
    return paged(
        lambda more: listings.calls.ec2(
            listings.place, "DescribeImageUsageReports", lambda ec2: ec2.describe_image_usage_reports(MaxResults=PAGE, **more)
        ),
        "ImageUsageReports",
    )


def _counts(question: Question, report: Report) -> bool:
    """Whether it is, or will be, about the image as it is now. One that failed counts for as long, so that it is not made again at once."""
    failed_long_ago = report["State"] == "error" and question.now - translate.epoch_seconds(report["CreationTime"]) > FAILED_SECONDS
    same_state = translate.tags(report.get("Tags")).get(STATE) == question.image.state
    return same_state and not failed_long_ago and not _expired(question, report)


def _expired(question: Question, report: Report) -> bool:
    return question.now - translate.epoch_seconds(report["CreationTime"]) > VALID_SECONDS


def _create(question: Question, before: Report | None) -> None:
    """An answer that is lost makes no second one: the token is the same for a while, and then EC2 refuses a second pending one.

    Not for longer, as a report that somebody deleted shall be made anew, and its token answers with what is no longer there.
    """
    image = question.image
    told = f"{image.image_id}/{image.state}/{before['ReportId'] if before else ''}/{question.now // TOKEN_SECONDS:.0f}"
    tags = [{"Key": OWNER, "Value": str(question.asked.owner)}, {"Key": STATE, "Value": image.state}]
    specifications: Any = [{"ResourceType": "image-usage-report", "Tags": tags}]
    types: Any = [
        {
            "ResourceType": TEMPLATE,
            "ResourceTypeOptions": [
                {"OptionName": "version-depth", "OptionValues": [str(min(question.rules.template_versions or DEEPEST, DEEPEST))]}
            ],
        },
        *({"ResourceType": name} for name in (INSTANCE, *RECIPES)),
    ]
    question.calls.ec2(
        question.place,
        "CreateImageUsageReport",
        lambda ec2: ec2.create_image_usage_report(
            ImageId=image.image_id,
            ResourceTypes=types,
            ClientToken=hashlib.sha256(told.encode()).hexdigest()[:32],
            TagSpecifications=specifications,
        ),
        about=image.image_id,
    )


def _delete(question: Question, report: Report) -> None:
    """EC2 admits 2,000 of an account, and keeps each for 30 days. One that cannot be deleted says nothing of who uses the image."""
    try:
        question.calls.ec2(
            question.place,
            "DeleteImageUsageReport",
            lambda ec2: ec2.delete_image_usage_report(ReportId=report["ReportId"]),
            about=report["ReportId"],
        )
    except NotFound:
        return
    except AwsError as error:
        log.warning("an old usage report is left to EC2, which deletes it after 30 days: %s", error.problem.message)


def _users(question: Question, report: Report) -> tuple[str, ...]:
    rows = _entries(question.listings).get(report["ReportId"], question.since) or ()
    counted = [row for row in rows if int(row.get("UsageCount", 0)) > 0]
    return tuple(_user(row) for row in counted[:MAX_USERS])


def _entries(listings: Listings) -> Batched[Sequence[Report]]:
    """By report and not by image: what is read of a report before it is there says nothing, and it is asked for when it is."""
    return listings.by_id("usage report entries", lambda report_ids: _read_entries(listings, report_ids), REPORTS_A_CALL)


def _read_entries(listings: Listings, report_ids: Sequence[str]) -> Mapping[str, Sequence[Report]]:
    rows: Sequence[Report] = paged(
        lambda more: listings.calls.ec2(
            listings.place,
            "DescribeImageUsageReportEntries",
            lambda ec2: ec2.describe_image_usage_report_entries(ReportIds=report_ids, MaxResults=PAGE, **more),
        ),
        "ImageUsageReportEntries",
    )
    found: dict[str, list[Report]] = {}
    for row in rows:
        found.setdefault(row["ReportId"], []).append(row)
    return found


def _user(row: Report) -> str:
    """`3 instances of account 111122223333`."""
    count, word = int(row["UsageCount"]), _WORDS.get(row["ResourceType"], str(row["ResourceType"]))
    return f"{count} {word}{'' if count == 1 else 's'} of account {row['AccountId']}"
