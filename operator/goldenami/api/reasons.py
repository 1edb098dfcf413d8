"""The closed lists of words the operator uses: reasons of conditions and reasons of events. They are part of the API.

A reason's outcome says what follows from it: nothing, a next look, a retry, a wait for another object, or a person.
"""

from enum import Enum, StrEnum


class Outcome(Enum):
    """What a reason means for whoever waits, and how the summary shows it."""

    DONE = "done"
    PROGRESSING = "progressing"
    """Work is under way and on schedule."""
    RETRYING = "retrying"
    """A fault that is expected to pass on its own."""
    WAITING = "waiting for a dependency"
    """Another object is missing or not ready; its appearance wakes this one."""
    STALLED = "stalled"
    """Nothing changes until somebody edits the spec, a key policy, a role or what AWS holds."""


class Reason(StrEnum):
    """Why a condition has its status: one CamelCase word, with its outcome and what it means."""

    outcome: Outcome
    description: str

    # The defaults are for type checkers, which take `Reason("Copying")` for a call of this.
    def __new__(cls, word: str, outcome: Outcome = Outcome.STALLED, description: str = "") -> "Reason":
        member = str.__new__(cls, word)
        member._value_ = word
        member.outcome = outcome
        member.description = description
        return member

    # Done.
    SUCCEEDED = "Succeeded", Outcome.DONE, "AWS is as declared."
    RELEASED = "Released", Outcome.DONE, "The images stay in AWS and are no longer the operator's: deletionPolicy is Retain."
    NOTHING_DECLARED = "NothingDeclared", Outcome.DONE, "The spec declares nothing for this concern, so AWS is left as it is."

    STILL_IN_USE = "StillInUse", Outcome.DONE, "A version that the policy lets go is still used, so it stays; the message says by whom."
    TOO_YOUNG = (
        "TooYoung",
        Outcome.DONE,
        "A version that the policy lets go was made, or launched, so lately that EC2 cannot tell of launches since; it stays for now.",
    )
    COOLING_DOWN = (
        "CoolingDown",
        Outcome.DONE,
        "Nothing uses a version that the policy lets go; its deregistration protection was switched off and holds for 24 hours more.",
    )
    DISABLED = "Disabled", Outcome.DONE, "The images are disabled, as their stage says, and can be enabled again."
    RETIRED = "Retired", Outcome.DONE, "Nothing is left of the version in AWS."

    # Work under way.
    PROGRESSING = "Progressing", Outcome.PROGRESSING, "Work is under way."
    SUSPENDED = "Suspended", Outcome.PROGRESSING, "spec.suspend stopped the work before it began."
    SOURCE_PENDING = "SourcePending", Outcome.PROGRESSING, "The source image or snapshot is not available yet."
    CREATING = "Creating", Outcome.PROGRESSING, "The image is being created from the instance or snapshot."
    COPYING = "Copying", Outcome.PROGRESSING, "Copies to other regions are running."
    QUEUED = "Queued", Outcome.PROGRESSING, "Waits for its turn within the share of AWS's call rates or copy slots that the operator uses."
    UPDATING = "Updating", Outcome.PROGRESSING, "Tags, description or grants are being brought in step."
    SHARING_PENDING = "SharingPending", Outcome.PROGRESSING, "Grants wait until the image is available."
    ALIAS_PENDING = "AliasPending", Outcome.PROGRESSING, "Aliases wait until the image is available and shared in their region."
    CHANNEL_PENDING = (
        "ChannelPending",
        Outcome.PROGRESSING,
        "A channel waits until its version is available and shared where it is declared.",
    )
    RETIRING = "Retiring", Outcome.PROGRESSING, "A version is on its way out: deprecated, disabled, deregistered."
    DELETING = "Deleting", Outcome.PROGRESSING, "The object is being deleted and AWS is being cleaned up."

    # Faults that pass on their own.
    PROGRESSING_WITH_RETRY = "ProgressingWithRetry", Outcome.RETRYING, "A call failed and is tried again with backoff."
    THROTTLED = "Throttled", Outcome.RETRYING, "AWS throttles this account and region; calls are slowed down."
    REGION_UNREACHABLE = "RegionUnreachable", Outcome.RETRYING, "A region does not answer; the others go on."
    COPY_FAILED = "CopyFailed", Outcome.RETRYING, "A copy ended as failed; it is cleaned up and tried again with backoff."
    CREATE_FAILED = "CreateFailed", Outcome.RETRYING, "Creating the image failed; it is cleaned up and tried again with backoff."
    AWS_ERROR = "AWSError", Outcome.RETRYING, "AWS answered with an error nobody has classified; it is retried."
    IN_USE = "InUse", Outcome.RETRYING, "An image that shall go is still used; the message names by what. It stays until it is not."
    EVIDENCE_INCOMPLETE = (
        "EvidenceIncomplete",
        Outcome.RETRYING,
        "Who uses an image that shall go cannot be told for certain, so it stays; the message names what could not be read, and why.",
    )

    # Waiting for other objects.
    DEPENDENCY_NOT_READY = "DependencyNotReady", Outcome.WAITING, "A referenced object is missing or not ready."

    # A person must act.
    INVALID_SPEC = "InvalidSpec", Outcome.STALLED, "The spec asks for something that cannot be; the message says what."
    VERSION_REUSED = "VersionReused", Outcome.STALLED, "This version was declared before with another source; declare a new version."
    UNKNOWN_VERSION = (
        "UnknownVersion",
        Outcome.STALLED,
        "A channel names a version that was never declared, or is gone; the message says which exist.",
    )
    CONFLICT = "Conflict", Outcome.STALLED, "What is asked for in AWS belongs to another object or to nobody we know."
    NAME_CONFLICT = "NameConflict", Outcome.STALLED, "An image of this name exists that is not ours; change nameTemplate or the version."
    ADOPTION_REFUSED = "AdoptionRefused", Outcome.STALLED, "An image that spec.adopt means cannot be adopted; the message says why."
    ALIAS_CONFLICT = "AliasConflict", Outcome.STALLED, "The parameter exists without our owner tag, or with another owner's."
    ACCOUNT_NOT_ALLOWED = "AccountNotAllowed", Outcome.STALLED, "The AWSAccount does not admit this namespace."
    ACCOUNT_MISMATCH = "AccountMismatch", Outcome.STALLED, "The credentials lead to another account than the AWSAccount says."
    ACCESS_DENIED = "AccessDenied", Outcome.STALLED, "The operator's role lacks a permission; the message names it."
    CREDENTIALS_INVALID = "CredentialsInvalid", Outcome.STALLED, "AWS does not accept the operator's credentials."
    REGION_NOT_ENABLED = "RegionNotEnabled", Outcome.STALLED, "The account has not opted in to the region."
    INVALID_SOURCE = "InvalidSource", Outcome.STALLED, "The source cannot become a golden image."
    SOURCE_NOT_FOUND = "SourceNotFound", Outcome.STALLED, "The source does not exist in its region, or this account may not see it."
    SOURCE_FAILED = "SourceFailed", Outcome.STALLED, "The source image is failed, disabled or deregistered."
    INSTANCE_STORE_UNSUPPORTED = (
        "InstanceStoreUnsupported",
        Outcome.STALLED,
        "The source is backed by instance store; only EBS can be copied.",
    )
    PARAVIRTUAL_UNSUPPORTED = "ParavirtualUnsupported", Outcome.STALLED, "The source is paravirtual; only HVM images are kept."
    PRODUCT_CODES_UNSUPPORTED = "ProductCodesUnsupported", Outcome.STALLED, "The source carries product codes of AWS Marketplace."
    SOURCE_KEY_NOT_USABLE = "SourceKeyNotUsable", Outcome.STALLED, "The source is encrypted with a key this account may not use."
    ENCRYPTION_KEY_INVALID = "EncryptionKeyInvalid", Outcome.STALLED, "A replica's KMS key is missing, disabled or of the wrong kind."
    KEY_MISMATCH = "KeyMismatch", Outcome.STALLED, "A replica is encrypted with another key than declared; keys cannot be changed in place."
    DEFAULT_KEY_NOT_SHAREABLE = (
        "DefaultKeyNotShareable",
        Outcome.STALLED,
        "The replica would be encrypted with an AWS-managed key, which cannot be shared; declare a kmsKeyId.",
    )
    ENCRYPTED_NOT_PUBLIC = "EncryptedNotPublic", Outcome.STALLED, "An encrypted image cannot be public."
    PUBLIC_BLOCKED = "PublicBlocked", Outcome.STALLED, "The region blocks public access for images; the operator never lifts that."
    QUOTA_EXCEEDED = "QuotaExceeded", Outcome.STALLED, "A quota of the account is used up; raise it or free some of it."
    SHARE_QUOTA_EXCEEDED = (
        "ShareQuotaExceeded",
        Outcome.STALLED,
        "More principals than EC2 admits on one image; share with an organization or OU.",
    )
    PRINCIPAL_REFUSED = (
        "PrincipalRefused",
        Outcome.STALLED,
        "AWS refuses some that are shared with, and takes the others; the message names them.",
    )
    TOO_MANY_TAGS = "TooManyTags", Outcome.STALLED, "The resource would carry more than EC2's 50 tags."
    COPIES_EXHAUSTED = "CopiesExhausted", Outcome.STALLED, "A copy failed as often as it is tried; the message has EC2's reason."
    TAGS_UNREADABLE = (
        "TagsUnreadable",
        Outcome.STALLED,
        "An image of the family has tags that no version could have; it is left alone, and the message says which and what to do.",
    )
    OBSERVING = (
        "Observing",
        Outcome.STALLED,
        "AWS differs from the spec and managementPolicy is Observe; status.plan says what would be done.",
    )


class EventReason(StrEnum):
    """Why an event was written: transitions only, from this list. `warning` makes the event's type Warning instead of Normal."""

    warning: bool
    description: str

    def __new__(cls, word: str, warning: bool = False, description: str = "") -> "EventReason":
        member = str.__new__(cls, word)
        member._value_ = word
        member.warning = warning
        member.description = description
        return member

    READY = "Ready", False, "Everything declared is so in AWS."
    NOT_READY = "NotReady", True, "It was ready and is not any more; the message is that of the Ready condition."
    STALLED = "Stalled", True, "A person must act; the message says how."
    VERSION_CREATED = "VersionCreated", False, "An ImageVersion was rendered for a declared version."
    VERSION_RESTORED = "VersionRestored", False, "An ImageVersion was rendered again from what AWS holds."
    CREATING_IMAGE = "CreatingImage", False, "CreateImage or RegisterImage was called for the source."
    COPY_STARTED = "CopyStarted", False, "A copy to a region began."
    REPLICA_AVAILABLE = "ReplicaAvailable", False, "A region's image became available."
    COPY_FAILED = "CopyFailed", True, "A copy ended as failed."
    ADOPTED = "Adopted", False, "An image that existed was taken over, as declared."
    SHARED = "Shared", False, "Grants were added."
    UNSHARED = "Unshared", False, "Grants were removed."
    FOREIGN_GRANTS_FOUND = "ForeignGrantsFound", True, "Somebody granted what nobody declared."
    PUBLIC_EXPOSURE = "PublicExposure", True, "An image was public though it shall not be."
    DRIFT_REPAIRED = "DriftRepaired", False, "Something changed behind the operator's back was put right."
    REPLICA_LOST = "ReplicaLost", True, "A region's image is gone though nobody asked for it."
    ALIAS_MOVED = "AliasMoved", False, "A parameter names another image now."
    CHANNEL_MOVED = "ChannelMoved", False, "A channel names another version now."
    DEPRECATED = "Deprecated", False, "An image was deprecated: those who select the newest image pass it by."
    UNDEPRECATED = "Undeprecated", False, "An image is no longer deprecated."
    DISABLED = "Disabled", False, "An image that shall go was disabled."
    DEREGISTERED = "Deregistered", False, "An image and its snapshots were removed."
    DEREGISTRATION_BLOCKED = "DeregistrationBlocked", True, "An image that shall go is still in use."
    PROTECTED = "Protected", False, "An image is protected from deregistration."
    UNPROTECTED = "Unprotected", False, "An image is no longer protected from deregistration: it goes."
    ENABLED = "Enabled", False, "A disabled image was enabled again."
    STAGE_CHANGED = "StageChanged", False, "A version is kept, deprecated, disabled or retired from now on; the message says why."
    VERSION_RETIRED = "VersionRetired", False, "Nothing is left of a version; its object is removed."
    IN_RECYCLE_BIN = (
        "InRecycleBin",
        False,
        "Images that were deregistered are kept by a rule of the Recycle Bin; the message says until when.",
    )
    RELEASED = "Released", False, "An image was let go: it stays in AWS and is no longer the operator's."
    ORPHANS_FOUND = "OrphansFound", True, "Snapshots, failed copies or imports of ours belong to no image; status.orphans lists them."
    ORPHAN_REMOVED = (
        "OrphanRemoved",
        False,
        "A snapshot that belonged to no image was deleted, or an import cancelled, under the retention policy.",
    )
    SUSPENDED = "Suspended", False, "spec.suspend stopped all work."
    RESUMED = "Resumed", False, "spec.suspend is gone; work goes on."
    LOOK_FAILED = "LookFailed", True, "A look ended by a bug of the operator; its log has the rest."
