"""SSM parameters that stand for an image, and what launches `resolve:ssm:` of them. Sources: DescribeParameters, GetParameters.

A parameter of data type aws:ec2:image is a promise to its readers, whoever they are. One of ours that is about to be moved or withdrawn
is waited for; those of a GoldenImage that is being deleted outlive its images, and keep none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from goldenami.aws import translate
from goldenami.aws.errors import NotFound, unanswered
from goldenami.aws.evidence import templates
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.holding import paged
from goldenami.aws.parameters import NAMES_A_CALL, PAGE
from goldenami.plan.evidence import MAX_USERS, Source, Testimony
from goldenami.plan.identity import OWNER

IMAGE = "aws:ec2:image"
RESOLVE = "resolve:ssm:"
_NAME = re.compile(r"(?:arn:aws[\w-]*:ssm:[\w-]+:\d{12}:parameter)?[\w./-]{1,1011}(?::[\w.-]{1,100})?")
"""What GetParameters takes, with a version or label. One that it does not take launches nothing, and would fail the others of its call."""


def image_parameters(question: Question) -> Testimony:
    image_id = question.image.image_id
    named = sorted(name for name, value in listed(question).items() if value == image_id)
    ours = [name for name in named if _is_ours(question, name)]
    users = [f"parameter {name}" for name in named if name not in ours] + list(_launchers(question))
    if ours and not question.asked.family_goes:
        if question.asked.aliases_move and not users:
            return Testimony(Source.PARAMETERS, pending=True, note=f"our alias {ours[0]} still names it, and is moved or withdrawn first")
        users += [f"our alias {name}" for name in ours]
    return Testimony(Source.PARAMETERS, tuple(users[:MAX_USERS]))


def listed(question: Question) -> Mapping[str, str]:
    """The values of all parameters of that data type, by name. Raises AwsError."""
    return question.listings.get("image parameters", lambda: _read(question.listings), question.since)


def current(question: Question, name: str) -> str:
    """The value of one parameter, read now; empty where there is none. Raises AwsError."""
    return _ask(question.listings, [name]).get(name, "")


def resolved(question: Question, references: Iterable[str]) -> Iterator[str]:
    """The same, with `resolve:ssm:` read now, and without what cannot be resolved: it launches nothing. Raises AwsError."""
    wanted = set(references)
    values = _values(question.listings, {each.removeprefix(RESOLVE) for each in wanted if each.startswith(RESOLVE)}, question.since)
    for each in sorted(wanted):
        if value := values.get(each.removeprefix(RESOLVE), "") if each.startswith(RESOLVE) else each:
            yield value


def _launchers(question: Question) -> Iterator[str]:
    """Template versions that say `resolve:ssm:`, where the parameter is this image now."""
    launching = templates.launching(
        question, lambda launched: launched.startswith(RESOLVE) and question.image.image_id in resolved(question, [launched])
    )
    for told, reference in launching:
        yield f"{told} ({reference})"


def _is_ours(question: Question, name: str) -> bool:
    try:
        answer = question.calls.ssm(
            question.place,
            "ListTagsForResource",
            lambda ssm: ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name),
            about=name,
        )
    except NotFound:
        return False
    return translate.tags(answer.get("TagList")).get(OWNER) == str(question.asked.owner)


def _read(listings: Listings) -> Mapping[str, str]:
    """A value is read when the version has moved: a version never changes."""
    rows = paged(
        lambda more: listings.calls.ssm(
            listings.place,
            "DescribeParameters",
            lambda ssm: ssm.describe_parameters(ParameterFilters=[{"Key": "DataType", "Values": [IMAGE]}], MaxResults=PAGE, **more),
        ),
        "Parameters",
    )
    versions = {row["Name"]: f"{row['Name']}:{row['Version']}" for row in rows}
    known: dict[str, str] = listings.memory("image parameter versions")
    for gone in known.keys() - set(versions.values()):
        del known[gone]
    known.update(_ask(listings, set(versions.values()) - known.keys()))
    return {name: known[version] for name, version in versions.items() if version in known}


def _values(listings: Listings, names: set[str], since: float) -> Mapping[str, str]:
    """Of those that exist, not older than that."""
    usable = frozenset(name for name in names if _NAME.fullmatch(name))
    return listings.each("parameter values", usable, lambda missing: _ask(listings, missing), since) if usable else {}


def _ask(listings: Listings, names: Iterable[str]) -> dict[str, str]:
    wanted = sorted(names)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), NAMES_A_CALL):
        found |= _ask_some(listings, wanted[start : start + NAMES_A_CALL])
    return found


def _ask_some(listings: Listings, names: list[str]) -> dict[str, str]:
    """By the names that were asked for: SSM may answer an ARN with the name in it. Raises AwsError, also where a name has no answer."""
    answer = listings.calls.ssm(listings.place, "GetParameters", lambda ssm: ssm.get_parameters(Names=names), about=", ".join(names))
    values = {called: row["Value"] for row in answer["Parameters"] for called in _called(row)}
    silent = set(names) - values.keys() - set(answer.get("InvalidParameters", ()))
    if silent:
        raise unanswered(listings.place, "GetParameters", sorted(silent))
    return {name: values[name] for name in names if name in values}


def _called(row: Mapping[str, Any]) -> set[str]:
    """How a parameter, or a version or label of it, may have been asked for."""
    name, selector = row["Name"], row.get("Selector", "").removeprefix(":")
    names, bare = {name, row.get("ARN", name)}, name.removeprefix("/")
    if "/" not in bare:
        names |= {bare, f"/{bare}"}  # both have one ARN
    return {f"{each}:{selector}" for each in names} if selector else names
