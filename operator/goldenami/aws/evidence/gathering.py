"""All sources asked about one image. Closed on failure: what could not be read is a problem, and never "nobody"."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from goldenami.aws.errors import AwsError
from goldenami.aws.evidence import instances as of_instances
from goldenami.aws.evidence import references as of_references
from goldenami.aws.evidence import reports
from goldenami.aws.evidence.groups import auto_scaling_groups, launch_configurations
from goldenami.aws.evidence.instances import instances
from goldenami.aws.evidence.parameters import image_parameters
from goldenami.aws.evidence.question import Ask, Listings, Question
from goldenami.aws.evidence.recipes import image_recipes
from goldenami.aws.evidence.references import references
from goldenami.aws.evidence.reports import usage_reports
from goldenami.aws.evidence.templates import launch_templates
from goldenami.plan import evidence
from goldenami.plan.evidence import Evidence, Source, Testimony

SOURCES: Mapping[Source, Ask] = {
    Source.INSTANCES: instances,
    Source.LAUNCH_TEMPLATES: launch_templates,
    Source.AUTO_SCALING_GROUPS: auto_scaling_groups,
    Source.LAUNCH_CONFIGURATIONS: launch_configurations,
    Source.PARAMETERS: image_parameters,
    Source.IMAGE_RECIPES: image_recipes,
    Source.REFERENCES: references,
    Source.LAST_LAUNCHED: lambda question: evidence.last_launched(question.image, question.rules, question.now),
    Source.USAGE_REPORTS: usage_reports,
}
"""What AWS knows, the dearest last. Channels and other GoldenImages are Kubernetes' to tell."""


AGAIN = "who else uses it is asked again when it is there"


def expect(listings: Listings, image_ids: Collection[str], depth: int | None) -> None:
    """These images are about to be asked about: what is read by image is read for all of them together."""
    of_instances.by_image(listings).expect(image_ids)
    of_references.by_image(listings, depth).expect(image_ids)


def gather(question: Question) -> Evidence:
    """One testimony of each source."""
    reports.forget(question)
    heard: list[Testimony] = []
    for source, ask in SOURCES.items():
        if source is Source.USAGE_REPORTS and any(testimony.users for testimony in heard):
            # It stays in any case, and may stay for months: no report is made each day meanwhile.
            heard.append(Testimony(source, note="it is used in its own account"))
        else:
            heard.append(_asked(source, ask, question))
    found = Evidence(question.image.image_id, question.since, tuple(heard))
    if not (found.users or found.problem) and [each.source for each in heard if each.pending] == [Source.USAGE_REPORTS]:
        reports.remember(question)
    return found


def awaited(question: Question) -> Evidence | None:
    """While EC2 makes the report that alone was waited for, nobody else is asked each time; None where everybody has to be.

    It allows nothing: all of it is pending.
    """
    try:
        report = reports.awaited(question)
    except AwsError:
        return None
    if report is None:
        return None
    others = (replace(report, source=source, note=AGAIN) for source in SOURCES if source is not Source.USAGE_REPORTS)
    return Evidence(question.image.image_id, question.since, (report, *others))


def _asked(source: Source, ask: Ask, question: Question) -> Testimony:
    try:
        return ask(question)
    except AwsError as error:
        return Testimony(source, problem=error.problem)
