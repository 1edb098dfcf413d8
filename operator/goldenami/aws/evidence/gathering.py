"""All sources asked about one image. Closed on failure: what could not be read is a problem, and never "nobody"."""

from collections.abc import Mapping

from goldenami.aws.errors import AwsError
from goldenami.aws.evidence.groups import auto_scaling_groups, launch_configurations
from goldenami.aws.evidence.instances import instances
from goldenami.aws.evidence.parameters import image_parameters
from goldenami.aws.evidence.question import Ask, Question
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


def gather(question: Question) -> Evidence:
    """One testimony of each source."""
    heard: list[Testimony] = []
    for source, ask in SOURCES.items():
        if source is Source.USAGE_REPORTS and any(testimony.users for testimony in heard):
            # It stays in any case, and may stay for months: no report is made each day meanwhile.
            heard.append(Testimony(source, note="it is used in its own account"))
        else:
            heard.append(_asked(source, ask, question))
    return Evidence(question.image.image_id, question.since, tuple(heard))


def _asked(source: Source, ask: Ask, question: Question) -> Testimony:
    try:
        return ask(question)
    except AwsError as error:
        return Testimony(source, problem=error.problem)
