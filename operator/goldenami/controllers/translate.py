"""From what is declared to what is planned: API objects become the plan's values, and back. Pure."""

from goldenami.api import source as api
from goldenami.api.duration import parse_duration
from goldenami.api.fields import Stage
from goldenami.api.image_version import Grants, ImageVersion, ImageVersionStatus, ReplicaStatus, Retirement
from goldenami.api.retention_policy import EvidenceRules
from goldenami.plan import desired, notes
from goldenami.plan.actions import Volume
from goldenami.plan.desired import DISABLE_FOR_SECONDS
from goldenami.plan.evidence import Rules
from goldenami.plan.identity import Owner
from goldenami.plan.observed import Recorded
from goldenami.plan.values import NOBODY, Account, Principals


def source(declared: api.Source) -> desired.Source:
    if declared.image:
        return desired.ImageSource(declared.image.id, declared.image.adopt)
    if declared.instance:
        volumes = tuple(Volume(v.device_name, v.size_gib, v.volume_type, v.snapshot_id) for v in declared.instance.volumes)
        return desired.InstanceSource(declared.instance.id, declared.instance.reboot, volumes)
    snapshot = declared.snapshot
    assert snapshot is not None  # exactly one is declared: the API server refuses anything else
    return desired.SnapshotSource(
        snapshot.id,
        architecture=snapshot.architecture,
        boot_mode=snapshot.boot_mode,
        root_device_name=snapshot.root_device_name,
        ena_support=snapshot.ena_support,
        imds_support=snapshot.imds_support,
        tpm_support=snapshot.tpm_support,
        volume_type=snapshot.volume_type,
    )


def sharing(declared: Grants | None) -> desired.Sharing:
    if declared is None:
        return desired.Sharing(declared=False)
    principals = Principals(
        frozenset(declared.accounts),
        frozenset(declared.organization_arns),
        frozenset(declared.organizational_unit_arns),
        public=declared.public,
    )
    return desired.Sharing(principals, snapshots=declared.snapshots, remove_foreign=declared.foreign_grants == "Remove")


def version(declared: ImageVersion, account: Account, installation: str) -> desired.Version:
    spec, retirement = declared.spec, declared.spec.retirement or Retirement()
    return desired.Version(
        owner=Owner(installation, declared.namespace, spec.golden_image),
        version=spec.version,
        name=spec.name,
        source=source(spec.source),
        account=account,
        home_region=spec.region,
        replicas=tuple(desired.Replica(replica.region, replica.kms_key_id) for replica in spec.replicas),
        description=spec.description
        if spec.description is not None
        else notes.description(spec.golden_image, spec.version, spec.notes or ""),
        notes=notes.tag_value(spec.golden_image, spec.version, spec.notes or ""),
        description_declared=spec.description is not None or bool(spec.notes),
        adopted={image.region: image.id for image in spec.adopt},
        tags=spec.tags,
        sharing=sharing(spec.sharing),
        deprecated=None if spec.stage is None else spec.stage != "Active",
        stage=spec.stage,
        disable_for_seconds=parse_duration(retirement.disable_for) if retirement.disable_for else DISABLE_FOR_SECONDS,
        protection=retirement.deregistration_protection,
        # What a channel names is never removed: an object that is deleted by hand comes back, and takes the images back.
        delete=(spec.deletion_policy == "Delete" or spec.stage == "Retired") and not (declared.deleting and spec.channels),
        rules=_rules(spec.stage, retirement),
        channels=frozenset(spec.channels),
    )


def _rules(stage: Stage | None, retirement: Retirement) -> Rules:
    evidence = retirement.evidence or EvidenceRules()
    return Rules(
        template_versions=evidence.launch_template_versions,
        usage_reports=evidence.usage_reports != "NotRequired",
        keep_if_launched_within_seconds=parse_duration(retirement.keep_if_launched_within) if retirement.keep_if_launched_within else None,
        policy=stage in ("Disabled", "Retired"),
    )


def recorded(status: ImageVersionStatus) -> dict[str, Recorded]:
    """By region."""
    foreign = {row.region: Principals.named(row.principals) for row in status.foreign_grants}
    return {replica.region: _recorded(replica, foreign.get(replica.region, NOBODY)) for replica in status.replicas}


def _recorded(replica: ReplicaStatus, foreign: Principals) -> Recorded:
    return Recorded(replica.image_id or "", replica.state or "", replica.attempt or 1, replica.shared_digest or "", foreign)


def remembered_principals(grants: Grants | None) -> Principals:
    return sharing(grants).principals
