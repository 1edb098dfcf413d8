"""What a person sees of an object: `kubectl get` in each phase, `kubectl describe`, events, and the log."""

from __future__ import annotations

import json
import re

from goldenami.api.kinds import API_VERSION, RECONCILE_REQUESTED
from goldenami.api.reasons import EventReason
from goldenami.kube.client import Body
from goldenami.local.aws.access import SECRET_ACCESS_KEY
from support.operator import AWAY, HOME, SharedOperator, World, eventually
from support.questions import declared, wait_noted

DAY_SECONDS = 86_400.0
REASONS = {str(reason) for reason in EventReason}


def table(world: World, *words: str) -> list[list[str]]:
    """The lines of `kubectl get`, cut where its columns are: two blanks or more. An age is written as AGE."""
    printed = world.plane.run_kubectl("get", *words, "-n", world.namespace)
    rows = [re.split(r" {2,}", line.strip()) for line in printed.splitlines()]
    return [["AGE" if re.fullmatch(r"\d+[smh](\d+s)?", cell) else cell for cell in row] for row in rows]


def sized(world: World, kind: str, name: str, images: int) -> bool:
    """What the snapshots of so many images hold is told by the first resync after the last of them; until then what was said stays."""
    storage = (world.get(kind, name) or {}).get("status", {}).get("storage", {})
    return bool(storage.get("images") == images)


def events(world: World, name: str = "web", kind: str = "GoldenImage") -> list[Body]:
    listed = world.kubernetes.call("GET", f"/api/v1/namespaces/{world.namespace}/events")["items"]
    about = [row for row in listed if (row["involvedObject"]["kind"], row["involvedObject"]["name"]) == (kind, name)]
    return sorted(about, key=lambda row: str(row["metadata"]["name"]))


def test_get_tells_the_story_in_each_phase(world: World) -> None:
    world.apply(declared(world, sharing={"shareListRefs": [{"name": "partners"}]}, notes="new kernel"))
    world.reason("DependencyNotReady")
    waiting = (
        f"ShareList partners does not exist in namespace {world.namespace}; create it, or correct spec.sharing.shareListRefs. "
        "Until then nobody's access changes"
    )
    assert table(world, "gi")[:2] == [
        ["NAME", "VERSION", "REGIONS", "READY", "STATUS", "AGE"],
        ["web", "1.0.0", "False", waiting, "AGE"],
    ]

    fault = world.aws.lab.add_fault(
        "refuse", operation="CopyImage", account=world.account, region=AWAY, code="UnauthorizedOperation", times=99
    )
    world.apply(world.share_list("partners", world.partner))
    world.reason("AccessDenied")
    eventually(lambda: table(world, "gi")[1][2] == "1/2", "one of two", told=world.told)
    (row,) = table(world, "gi")[1:]
    assert row[:4] == ["web", "1.0.0", "1/2", "False"]
    assert AWAY in row[4]
    assert "ec2:CopyImage" in row[4] or "CopyImage" in row[4]

    world.aws.lab.remove_fault(fault)
    world.patch("goldenimage", "web", {"metadata": {"annotations": {"goldenami.dev/reconcile-requested": "allowed now"}}})
    world.ready()
    world.ready("web-1.0.0", "imageversion")
    both = (("goldenimage", "web"), ("imageversion", "web-1.0.0"))
    eventually(lambda: all(sized(world, *one, images=2) for one in both), "sizes", told=world.told)
    done = "version 1.0.0 is available and shared in 2 regions"
    source = world.get("imageversion", "web-1.0.0")
    assert source is not None
    source_id = source["status"]["source"]["imageId"]
    held = ["2", str(source["status"]["storage"]["snapshotGib"]), "AGE"]
    assert table(world, "gi", "-o", "wide") == [
        [
            "NAME",
            "VERSION",
            "REGIONS",
            "READY",
            "STATUS",
            "AGE",
            "CURRENT",
            "VERSIONS",
            "REPLICAS",
            "GIB",
            "MADE",
            "ORPHANS",
            "HOME",
            "ACCOUNT",
            "DELETION",
            "SUSPENDED",
            "REASON",
        ],
        ["web", "1.0.0", "2/2", "True", done, "AGE", "1.0.0", "1", *held, HOME, world.account_ref, "Retain", "false", "Succeeded"],
    ]
    shared = "version 1.0.0 is available and shared in 2 regions"
    ready, tail = ["web-1.0.0", "1.0.0", "2/2", "True", shared, "AGE"], ["false", "Succeeded"]
    wide = ["REPLICAS", "GIB", "MADE", "NOTES"]
    assert table(world, "iv", "-o", "wide") == [
        [
            "NAME",
            "VERSION",
            "REGIONS",
            "READY",
            "STATUS",
            "AGE",
            "IMAGE",
            "NAME",
            "SOURCE",
            *wide,
            "HOME",
            "ACCOUNT",
            "SUSPENDED",
            "REASON",
        ],
        [*ready, "web", "web-1.0.0", source_id, *held, "new kernel", HOME, world.account_ref, *tail],
    ]


def test_get_tells_which_versions_are_kept_and_which_one_goes(world: World) -> None:
    policy = {"keepLast": 1, "keepFor": "30d", "retire": {"disableFor": "7d"}}
    world.apply({"apiVersion": API_VERSION, "kind": "RetentionPolicy", "metadata": {"name": "standard"}, "spec": policy})
    ids = {version: world.seed(age_seconds=100 * DAY_SECONDS) for version in ("1.0.0", "2.0.0")}
    for version, image_id in ids.items():
        source, reference = {"image": {"id": image_id, "adopt": True}}, {"name": "standard"}
        world.apply(declared(world, version=version, source=source, replicas=[{"region": HOME}], retentionPolicyRef=reference))
        world.ready()
    eventually(
        lambda: world.condition("imageversion", "web-1.0.0", "RetentionReady").get("reason") == "Disabled", "disabled", told=world.told
    )
    world.ready()

    assert table(world, "rp") == [["NAME", "KEEP LAST", "KEEP FOR", "DISABLE FOR", "AGE"], ["standard", "1", "30d", "7d", "AGE"]]
    assert table(world, "gi") == [
        ["NAME", "VERSION", "REGIONS", "READY", "STATUS", "AGE"],
        ["web", "2.0.0", "1/1", "True", "version 2.0.0 is available in 1 region", "AGE"],
    ]
    assert table(world, "iv") == [
        ["NAME", "VERSION", "REGIONS", "READY", "STATUS", "AGE"],
        ["web-1.0.0", "1.0.0", "1/1", "True", "version 1.0.0 is disabled in 1 region", "AGE"],
        ["web-2.0.0", "2.0.0", "1/1", "True", "version 2.0.0 is available in 1 region", "AGE"],
    ]


def test_events_tell_transitions_by_closed_reasons_and_describe_reads_well(world: World) -> None:
    world.apply(declared(world, sharing={"accounts": [world.partner]}))
    world.ready()
    world.ready("web-1.0.0", "imageversion")
    wanted = {("GoldenImage", "web", "Ready"), ("ImageVersion", "web-1.0.0", "CopyStarted"), ("ImageVersion", "web-1.0.0", "Ready")}
    for kind, name, reason in wanted:
        eventually(lambda k=kind, n=name, r=reason: any(row["reason"] == r for row in events(world, n, k)), f"{kind} {reason}")  # type: ignore[misc]
    told = [*events(world), *events(world, "web-1.0.0", "ImageVersion")]
    assert {row["reason"] for row in told} <= REASONS
    assert {row["type"] for row in told} == {"Normal"}
    assert [row["count"] for row in told if row["reason"] == "Ready"] == [1, 1]
    started = [row["message"] for row in told if row["reason"] == "CopyStarted"]
    assert sorted(line.split(":")[0] for line in started) == [AWAY, HOME]
    described = world.plane.run_kubectl("describe", "gi", "web", "-n", world.namespace)
    assert re.search(r"Normal +Ready +.*goldenami +version 1\.0\.0 is available", described)
    assert re.search(r"Normal +VersionCreated +.*ImageVersion web-1\.0\.0", described)


def tries(world: World) -> int:
    return world.aws.lab.audit_counts(account=world.account).get("ec2.CopyImage", 0)


def test_a_failure_that_is_retried_again_and_again_is_told_once_and_writes_one_status(world: World) -> None:
    """What comes back each time is the same: the message has no request id and no time, and a retry is no transition."""
    fault = world.aws.lab.add_fault("refuse", operation="ec2.CopyImage", account=world.account, code="InternalError", times=1000)
    try:
        world.apply(declared(world, replicas=[{"region": HOME}]))
        eventually(lambda: tries(world) >= 2, "tried and told", told=world.told)
        eventually(lambda: world.condition("imageversion", "web-1.0.0").get("status") == "False", "told", told=world.told)
        before = {kind: world.get(kind, name) for kind, name in (("goldenimage", "web"), ("imageversion", "web-1.0.0"))}
        eventually(lambda: tries(world) >= 5, "tried again and again", told=world.told)
        for kind, obj in before.items():
            assert obj is not None
            now = world.get(kind, obj["metadata"]["name"])
            assert now is not None
            assert now["status"] == obj["status"]
            assert now["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
        warnings = [row for row in (*events(world), *events(world, "web-1.0.0", "ImageVersion")) if row["type"] == "Warning"]
        assert len(warnings) <= 2
    finally:
        world.aws.lab.remove_fault(fault)


def test_a_repeated_event_is_counted_on_the_first(world: World) -> None:
    world.apply(declared(world, replicas=[{"region": HOME}]))
    world.ready()
    for suspend in (True, False) * 3:
        world.patch("goldenimage", "web", {"spec": {"suspend": suspend}})
        wait_noted(world)
        # Neither an edit nor a request is a transition: it stays what it was.
        edit = {"spec": {"tags": {"suspended": str(suspend)}}, "metadata": {"annotations": {RECONCILE_REQUESTED: str(suspend)}}}
        world.patch("goldenimage", "web", edit)
        wait_noted(world)

    def counted() -> list[tuple[str, int]]:
        return sorted((row["reason"], row["count"]) for row in events(world) if row["reason"] in ("Suspended", "Resumed"))

    eventually(lambda: counted() == [("Resumed", 3), ("Suspended", 3)], "counted", told=lambda: f"{counted()}")


def test_the_log_is_json_names_its_objects_and_holds_no_secret(world: World, shared_operator: SharedOperator) -> None:
    world.apply(declared(world, sharing={"accounts": [world.partner]}))
    world.ready()
    text = shared_operator.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]  # every line parses

    looks = [line for line in lines if line["message"] == "reconciled"]
    identity = {"kind", "namespace", "name", "reconcileID", "result", "duration"}
    assert [line for line in looks if not identity <= line.keys()] == []
    assert [line for line in looks if line["result"] != "gone" and "generation" not in line] == []
    mine = [line for line in lines if line.get("namespace") == world.namespace]
    effects = [line for line in mine if line["message"].startswith("done: ")]
    assert {line["region"] for line in effects} == {HOME, AWAY}
    assert {(line["kind"], line["name"]) for line in effects} == {("ImageVersion", "web-1.0.0")}
    assert all(line["reconcileID"] and line["generation"] for line in effects)
    assert [line for line in lines if line["message"].startswith(("done: ", "not done: ")) and "kind" not in line] == []

    chatter = [line["logger"] for line in lines if not line["logger"].startswith("goldenami.") and line["level"] == "info"]
    assert chatter == []
    for secret in ("Authorization", "AWS4-HMAC", "aws_secret_access_key", "SecretAccessKey", "SessionToken", "FQoGZX", "Bearer "):
        assert secret not in text
    assert not re.search(rf"\b{SECRET_ACCESS_KEY}\b(?!host)", re.sub(r"local (AWS|Kubernetes)", "", text))
    assert not re.search(r"\b(AKIA|ASIA)[A-Z0-9]{12,}", text)
