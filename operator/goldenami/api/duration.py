"""Durations as Go writes them, `10m`, `1h30m`, `1.5s`, and with days and weeks besides: `90d`. Seconds inside, strings outside."""

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w))+")


def parse_duration(text: str) -> float:
    """Seconds. The units are w, d, h, m, s and ms; ValueError for anything else, a bare number included."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 30s, 10m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest form that parse_duration reads back, to the millisecond: `1h30m`, `10m`, `1.5s`; zero is `0s`."""
    minutes, rest_ms = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, thousandths = divmod(rest_ms, 1000)
    rest = f"{whole}.{thousandths:03}".rstrip("0") if thousandths else str(whole)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest_ms or not (hours or minutes) else ""]
    return "".join(parts)
