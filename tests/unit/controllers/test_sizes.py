"""Gauges about one object: what its status says of its images, as long as it says so."""

from prometheus_client.parser import text_string_to_metric_families

from goldenami.api.kinds import Key
from goldenami.controllers.metrics import Metrics

KEY = Key("ImageVersion", "images", "web-1.0.0")
LABELS = 'kind="ImageVersion",name="web-1.0.0",namespace="images"'
STATUS = {"madeAt": "1970-01-01T00:16:40Z", "storage": {"images": 2, "snapshots": 2, "snapshotGib": 3}}


def told(metrics: Metrics) -> list[str]:
    return [line for line in metrics.exposition().decode().splitlines() if LABELS in line]


def test_a_status_becomes_gauges() -> None:
    metrics = Metrics()
    metrics.set_sizes(KEY, STATUS)
    assert told(metrics) == [
        f"goldenami_replicas{{{LABELS}}} 2.0",
        f"goldenami_snapshot_bytes{{{LABELS}}} 3.221225472e+09",
        f"goldenami_made_timestamp_seconds{{{LABELS}}} 1000.0",
    ]


def test_they_end_with_what_they_tell_of() -> None:
    metrics = Metrics()
    metrics.set_sizes(KEY, STATUS)
    metrics.set_sizes(KEY, {"observedGeneration": 1})
    assert told(metrics) == []
    metrics.set_sizes(KEY, STATUS)
    metrics.forgotten(KEY)
    assert told(metrics) == []


def test_the_page_is_one_that_prometheus_reads_with_each_family_once() -> None:
    metrics, other = Metrics(), Key("GoldenImage", "images", 'we"b')
    for key, status in [(KEY, "True"), (other, "False"), (KEY, "False")]:
        metrics.set_conditions(key, [{"type": "Ready", "status": status}, {"type": "Stalled", "status": "Unknown"}])
        metrics.set_sizes(key, STATUS)
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert len({family.name for family in families}) == len(families)
    (conditions,) = (family for family in families if family.name == "goldenami_condition")
    assert conditions.documentation == "1 for the status a condition has, 0 for the others"
    rows = [sample.labels for sample in conditions.samples if sample.value]
    assert [(row["kind"], row["name"], row["type"], row["status"]) for row in rows] == [
        ("ImageVersion", "web-1.0.0", "Ready", "False"),
        ("ImageVersion", "web-1.0.0", "Stalled", "Unknown"),
        ("GoldenImage", 'we"b', "Ready", "False"),
        ("GoldenImage", 'we"b', "Stalled", "Unknown"),
    ]
    assert len(conditions.samples) == 3 * len(rows)
