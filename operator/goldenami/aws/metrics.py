"""Prometheus counters of the calls to AWS."""

from prometheus_client import Counter, Histogram

CALLS = Counter(
    "goldenami_aws_calls_total",
    "Calls to AWS by their answer; code is OK, AWS's error code, or NoAnswer.",
    ("service", "operation", "code"),
)
THROTTLES = Counter("goldenami_aws_throttles_total", "Calls that AWS throttled.", ("service", "operation", "region"))
PACED = Counter("goldenami_aws_paced_total", "Calls put off by our own pacing.", ("service", "operation", "region"))
SECONDS = Histogram(
    "goldenami_aws_call_seconds",
    "Duration of calls to AWS.",
    ("service", "operation"),
    buckets=(0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
