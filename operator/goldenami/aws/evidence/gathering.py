"""All sources asked about one image. Closed on failure: what could not be read is a problem, and never "nobody"."""

from collections.abc import Mapping

from goldenami.aws.errors import AwsError
from goldenami.aws.evidence.instances import instances
from goldenami.aws.evidence.question import Ask, Question
from goldenami.aws.evidence.templates import launch_templates
from goldenami.plan import evidence
from goldenami.plan.evidence import Evidence, Source, Testimony

SOURCES: Mapping[Source, Ask] = {
    Source.INSTANCES: instances,
    Source.LAUNCH_TEMPLATES: launch_templates,
    Source.LAST_LAUNCHED: lambda question: evidence.last_launched(question.image, question.rules, question.now),
}
"""What AWS knows. Channels and other GoldenImages are Kubernetes' to tell."""


def gather(question: Question) -> Evidence:
    """One testimony of each source, in the order of the list."""
    heard = tuple(_asked(source, ask, question) for source, ask in SOURCES.items())
    return Evidence(question.image.image_id, question.since, heard)


def _asked(source: Source, ask: Ask, question: Question) -> Testimony:
    try:
        return ask(question)
    except AwsError as error:
        return Testimony(source, problem=error.problem)
