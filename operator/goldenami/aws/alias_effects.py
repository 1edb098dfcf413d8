"""Effects on SSM parameters."""

import contextlib
from dataclasses import replace
from typing import Any

from goldenami.aws.errors import FixTheSpec, NotFound, parameter_exists
from goldenami.aws.toolbox import Effect, Tools
from goldenami.aws.translate import wire_tags
from goldenami.plan import actions as do
from goldenami.plan.identity import RELEASED
from goldenami.plan.values import Parameter

DATA_TYPE = "aws:ec2:image"
"""What Auto Scaling and launch templates resolve; it cannot be changed later."""


def _put(tools: Tools, action: do.PutParameter) -> str:
    """SSM checks the value after its answer, and keeps the old one when it does not like it: only a later read shows.

    Raises AlreadyExists.
    """
    asked: dict[str, Any] = {"Name": action.parameter, "Value": action.image_id}
    if action.create:
        # Tags can only be sent when a parameter is created, and never together with Overwrite.
        asked |= {"Type": "String", "DataType": DATA_TYPE, "Tier": "Standard", "Overwrite": False, "Tags": wire_tags(action.tags)}
    else:
        asked |= {"Overwrite": True, "DataType": DATA_TYPE, "Type": "String"}
    try:
        answer = tools.calls.ssm(action.place, "PutParameter", lambda ssm: ssm.put_parameter(**asked), about=action.parameter)
    except FixTheSpec as error:
        # One of another data type may be refused for that before it is refused for being there.
        if action.create and tools.inventory.parameter(action.place, action.parameter):
            raise parameter_exists(action.place, action.parameter) from error
        raise
    parameters = tools.parameters(action.place)
    parameters.sent_value(action.parameter, action.image_id)
    version = int(answer.get("Version", 1))
    if action.create:
        parameters.marks.tagged(action.parameter)
        parameters.wrote(Parameter(action.parameter, version, DATA_TYPE, dict(action.tags)))
    elif known := parameters.known(action.parameter):
        parameters.wrote(replace(known, version=version))
    return ""


def _delete(tools: Tools, action: do.DeleteParameter) -> str:
    with contextlib.suppress(NotFound):
        tools.calls.ssm(action.place, "DeleteParameter", lambda ssm: ssm.delete_parameter(Name=action.parameter), about=action.parameter)
    tools.parameters(action.place).deleted(action.parameter)
    return ""


def _tag(tools: Tools, action: do.TagParameter) -> str:
    """Adds first: between the two calls the parameter has both tags, never none."""
    if action.add:
        tools.calls.ssm(
            action.place,
            "AddTagsToResource",
            lambda ssm: ssm.add_tags_to_resource(
                ResourceType="Parameter",
                ResourceId=action.parameter,
                Tags=wire_tags(action.add),  # type: ignore[arg-type]
            ),
            about=action.parameter,
        )
    if action.remove:
        tools.calls.ssm(
            action.place,
            "RemoveTagsFromResource",
            lambda ssm: ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=action.parameter, TagKeys=list(action.remove)),
            about=action.parameter,
        )
    parameters = tools.parameters(action.place)
    if RELEASED in action.remove:
        parameters.marks.tagged(action.parameter)
    known = parameters.known(action.parameter) or tools.inventory.parameter(action.place, action.parameter)
    if known:
        tags = {key: value for key, value in known.tags.items() if key not in action.remove}
        parameters.wrote(replace(known, tags={**tags, **action.add}))
    return ""


EFFECTS: dict[type[do.Action], Effect] = {do.PutParameter: _put, do.DeleteParameter: _delete, do.TagParameter: _tag}
