"""Series about single objects: rendered when something else is to be said of an object, and put together when they are scraped.

Two thousand objects have some forty thousand series. Rendered at each scrape they took seconds, in which no look got on.
"""

import threading
from collections.abc import Iterable, Mapping

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from goldenami.api.kinds import Key

LABELS = ("kind", "namespace", "name")
Rows = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels that come after the object's own, and the gauge's value."""


class ObjectSeries:
    """Gauges of one name, one or more for each object. Safe to use from several threads."""

    def __init__(self, name: str, text: str, labels: Iterable[str] = ()) -> None:
        self._name = name
        self._text = text
        self._labels = (*LABELS, *labels)
        self._lock = threading.Lock()
        self._said: dict[Key, tuple[Mapping[tuple[str, ...], float], bytes]] = {}

    def say(self, key: Key, rows: Rows) -> None:
        """From now on this is what there is about the object; no rows: nothing."""
        wanted = dict(rows)
        with self._lock:
            if not wanted:
                self._said.pop(key, None)
            elif key not in self._said or self._said[key][0] != wanted:
                self._said[key] = (wanted, self._lines(key, wanted))

    def exposition(self) -> bytes:
        """This part of the page that Prometheus reads."""
        with self._lock:
            lines = [lines for _, lines in self._said.values()]
        return generate_latest(_Only(self._family())) + b"".join(lines)

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._name, self._text, labels=self._labels)

    def _lines(self, key: Key, rows: Mapping[tuple[str, ...], float]) -> bytes:
        family = self._family()
        for values, value in rows.items():
            family.add_metric([key.kind, key.namespace, key.name, *values], value)
        return b"".join(line for line in generate_latest(_Only(family)).splitlines(keepends=True) if not line.startswith(b"#"))


class _Only:
    """A collector of one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return [self._family]
