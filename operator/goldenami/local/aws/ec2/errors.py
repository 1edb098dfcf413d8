"""The refusals of the image core: EC2's own codes and words, one function per sentence that more than one operation says.

EC2 models no exceptions, so the code string is all a caller can branch on. Where AWS's wording is known it is kept.
"""

from collections.abc import Sequence


class Refused(Exception):  # noqa: N818 - it is what happened, and reads so where it is raised
    """A call is refused before it changed anything; `status` is the HTTP status that EC2 sends with the code."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def dry_run() -> Refused:
    return Refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def invalid_action(action: str) -> Refused:
    return Refused("InvalidAction", f"The action {action} is not valid for this web service.")


def missing_parameter(name: str) -> Refused:
    return Refused("MissingParameter", f"The request must contain the parameter {name}")


def invalid_value(message: str) -> Refused:
    return Refused("InvalidParameterValue", message)


def invalid_combination(message: str) -> Refused:
    return Refused("InvalidParameterCombination", message)


def invalid_item(value: str, kind: str) -> Refused:
    """A principal that is none. `kind`: userId, userGroup, organizationArn, organizationalUnitArn."""
    return Refused("InvalidAMIAttributeItemValue", f'Invalid attribute item value "{value}" for {kind} item type.')


def image_malformed(image_id: str) -> Refused:
    return Refused("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')


def images_not_found(image_ids: Sequence[str]) -> Refused:
    if len(image_ids) == 1:
        return Refused("InvalidAMIID.NotFound", f"The image id '[{image_ids[0]}]' does not exist")
    return Refused("InvalidAMIID.NotFound", f"The image ids '[{', '.join(image_ids)}]' do not exist")


def image_unavailable(image_id: str, why: str) -> Refused:
    """`why` completes "The image ID 'ami-…' is": pending, disabled, no longer available."""
    return Refused("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is {why}")


def not_authorized_for_image(image_id: str) -> Refused:
    return Refused("AuthFailure", f"Not authorized for image:{image_id}", status=401)


def snapshot_malformed(snapshot_id: str) -> Refused:
    return Refused("InvalidSnapshotID.Malformed", f"Value ({snapshot_id}) for parameter snapshotId is invalid. Expected: 'snap-...'.")


def snapshot_not_found(snapshot_id: str) -> Refused:
    return Refused("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")


def not_authorized_for_snapshot(snapshot_id: str) -> Refused:
    return Refused("AuthFailure", f"Not authorized for snapshot:{snapshot_id}", status=401)


def token_mismatch() -> Refused:
    return Refused("IdempotentParameterMismatch", "The client token was used before with different parameters.")


def internal_error() -> Refused:
    return Refused("InternalError", "An internal error has occurred", status=500)
