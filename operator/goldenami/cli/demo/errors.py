"""Why the demo ends before its end, said to the person who started it."""


class DemoError(Exception):
    """The demo cannot go on, or what it waits for did not happen; the text says what, and why as far as is known."""


class NotSoError(DemoError):
    """What was waited for did not happen, though everything runs: somebody at a terminal can look into it."""
