"""What a version costs and what is new in it: in status, columns, metrics, descriptions and tags."""

import json
import urllib.request
from datetime import datetime
from typing import Any

from support.operator import AWAY, HOME, SharedOperator, World, snapshots_of, tags_of
from support.scenes import calls_since, declared, image_of, images_of, iv, look_again, newest_call, until

GIB = 2**30


def sizes(world: World, name: str) -> list[int]:
    """Full sizes of the snapshots of every image of the family, as EC2 tells them."""
    return [
        int(world.ec2(region).describe_snapshots(SnapshotIds=[part])["Snapshots"][0]["FullSnapshotSizeInBytes"])
        for region in (HOME, AWAY)
        for image in images_of(world, name, region)
        for part in snapshots_of(image)
    ]


def resources(world: World, name: str) -> set[str]:
    """Ids of every image of the family, and of its snapshots."""
    images = [image for region in (HOME, AWAY) for image in images_of(world, name, region)]
    return {one for image in images for one in (image["ImageId"], *snapshots_of(image))}


def storage(world: World, kind: str, name: str) -> dict[str, Any]:
    return dict(((world.get(kind, name) or {}).get("status") or {}).get("storage") or {})


def notes_of(image: dict[str, Any]) -> tuple[str, str | None]:
    return image["Description"], tags_of(image).get("goldenami.dev/notes")


def test_each_version_and_the_family_say_what_their_snapshots_hold(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    first = sizes(corner, name)
    corner.apply(declared(corner, name, version="1.1.0"))
    corner.ready(name)

    look_again(corner, name)
    every = sizes(corner, name)
    assert (len(first), len(every)) == (2, 4)
    until(corner, lambda: storage(corner, "goldenimage", name).get("images") == 4, "four images")
    assert storage(corner, "imageversion", iv(name)) == {"images": 2, "snapshots": 2, "snapshotGib": -(-sum(first) // GIB)}
    assert storage(corner, "goldenimage", name) == {"images": 4, "snapshots": 4, "snapshotGib": -(-sum(every) // GIB)}
    made = (corner.get("imageversion", iv(name)) or {})["status"]["madeAt"]
    oldest = min(image["CreationDate"] for region in (HOME, AWAY) for image in images_of(corner, name, region))
    assert made[:19] == oldest[:19]
    assert (corner.get("goldenimage", name) or {})["status"]["madeAt"] == made


def scraped(process: SharedOperator) -> str:
    """What Prometheus is told."""
    said = next(line for line in process.log.read_text().splitlines() if "/metrics" in line)
    port = json.loads(said)["message"].rpartition(" ")[2]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def gauges(text: str, kind: str, world: World, name: str) -> dict[str, float]:
    """Of one object, by name."""
    labels = f'{{kind="{kind}",name="{name}",namespace="{world.namespace}"}} '
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if labels in line}


def test_get_and_prometheus_show_it(corner: World, name: str, shared_operator: SharedOperator) -> None:
    corner.apply(declared(corner, name, notes="new kernel"))
    corner.ready(name)
    look_again(corner, name)
    until(corner, lambda: storage(corner, "goldenimage", name).get("images") == 2, "both images")
    gib = str(storage(corner, "goldenimage", name)["snapshotGib"])

    printed = corner.plane.run_kubectl("get", "iv", iv(name), "-n", corner.namespace, "-o", "wide").splitlines()
    family = corner.plane.run_kubectl("get", "gi", name, "-n", corner.namespace, "-o", "wide").splitlines()

    assert {"REPLICAS", "GIB", "MADE", "NOTES"} <= set(printed[0].split())
    assert "new kernel" in printed[1]
    assert {"REPLICAS", "GIB", "MADE"} <= set(family[0].split())
    assert ["2", gib] == family[1][family[0].index("REPLICAS") :].split()[:2]

    text, obj = scraped(shared_operator), corner.get("goldenimage", name) or {}
    made = datetime.fromisoformat(obj["status"]["madeAt"]).timestamp()
    told = {"goldenami_replicas": 2.0, "goldenami_snapshot_bytes": float(gib) * GIB, "goldenami_made_timestamp_seconds": made}
    assert gauges(text, "GoldenImage", corner, name) == told
    assert gauges(text, "ImageVersion", corner, iv(name)) == told


def test_notes_become_description_and_tag_and_each_version_keeps_its_own(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, notes="OpenSSL 3.0.15 (CVE-2026-1)"))
    corner.ready(name)
    first = image_of(corner, name, AWAY)
    assert notes_of(first) == (f"{name} 1.0.0: OpenSSL 3.0.15 (CVE-2026-1)", "OpenSSL 3.0.15 CVE-2026-1")
    (part,) = corner.ec2(AWAY).describe_snapshots(SnapshotIds=snapshots_of(first))["Snapshots"]
    assert tags_of(part)["goldenami.dev/notes"] == "OpenSSL 3.0.15 CVE-2026-1"

    corner.apply(declared(corner, name, version="1.1.0", notes="new kernel"))
    corner.ready(name)

    told = {tags_of(image)["goldenami.dev/version"]: notes_of(image)[1] for image in images_of(corner, name, AWAY)}
    assert told == {"1.0.0": "OpenSSL 3.0.15 CVE-2026-1", "1.1.0": "new kernel"}


def test_notes_that_are_corrected_are_so_everywhere_and_a_declared_description_stands(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, notes="old"))
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"notes": "corrected", "description": "as declared"}})
    corner.ready(name)
    assert {notes_of(image_of(corner, name, region)) for region in (HOME, AWAY)} == {("as declared", "corrected")}
    corner.patch("goldenimage", name, {"spec": {"notes": None, "description": None}})
    corner.ready(name)
    assert {notes_of(image_of(corner, name, region)) for region in (HOME, AWAY)} == {(f"{name} 1.0.0, kept by goldenami", None)}


def test_a_version_that_is_known_by_its_tags_alone_has_its_notes_again_without_a_write(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, notes="OpenSSL, patched"))
    corner.ready(name)
    # Objects that go while they are only observed leave everything as it is, as the loss of a cluster does.
    corner.patch("goldenimage", name, {"spec": {"managementPolicy": "Observe"}})
    until(corner, lambda: corner.condition("imageversion", iv(name)).get("status"), "observed")
    corner.delete("goldenimage", name)
    corner.gone(name)
    since, mine = newest_call(corner), resources(corner, name)

    corner.apply(declared(corner, name, version="1.1.0", notes="next"))
    corner.ready(name)
    restored = corner.ready(iv(name), "imageversion")

    assert restored["spec"]["notes"] == "OpenSSL, patched"
    written = [call for call in calls_since(corner, since, mutating=True) if any(one in str(call.arguments) for one in mine)]
    assert [call.name for call in written] == []
