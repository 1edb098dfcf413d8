"""Gauges about one object: what its status says of its images, as long as it says so."""

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
