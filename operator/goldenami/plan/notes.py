"""Notes: what is new in a version, told in EC2's description and in a tag.

Both are made of one line, and what is read back of them makes the same again: a rebuilt cluster writes nothing for it.
"""

import re
import unicodedata

MAX_DESCRIPTION = 255
"""Characters of an image's description. ModifyImageAttribute and CopyImage take ASCII alone ("Character sets beyond ASCII …")."""
_TYPED = str.maketrans({**dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-"), **dict.fromkeys("\u2018\u2019", "'"), "&": "+"})
_QUOTES = re.compile(r"[\"'`\u201c\u201d\u00ab\u00bb]")
# EC2 user guide, "Tag restrictions": letters, numbers, spaces, and + - = . _ : / @ are what every service around EC2 takes, too.
_NOT_IN_A_TAG = re.compile(r"[^\w+\-=.:/@]+")


def description(image: str, version: str, notes: str) -> str:
    """`web 1.4.2: OpenSSL 3.0.15, kernel 6.1`, within EC2's 255 characters; without notes, who keeps the image."""
    told = _told(image, version, notes)
    return _prefix(image, version) + told if told else f"{image} {version}, kept by goldenami"


def tag_value(image: str, version: str, notes: str) -> str:
    """What tags cannot hold becomes a space, quotes vanish, and letters of every script stay. Empty where nothing is left."""
    words = _NOT_IN_A_TAG.sub(" ", _QUOTES.sub("", _line(image, version, notes)))
    return " ".join(words.split())


def recalled(image: str, version: str, tag: str, described: str) -> str:
    """The notes of a version that is known by its images alone: the tag's, or the fuller ones of a description that goes with it."""
    told = described.removeprefix(_prefix(image, version))
    return told if told != described and tag_value(image, version, told) == tag else tag


def _prefix(image: str, version: str) -> str:
    """At most 130 characters: names have 63, versions 64."""
    return f"{image} {version}: "


def _told(image: str, version: str, notes: str) -> str:
    line, tag = _line(image, version, notes), tag_value(image, version, notes)
    # Accents go, and what has no such form is left out. Made of the tag, because that is all that remembers what went.
    return (line if line.isascii() else _ascii(tag)) if tag else ""


def _line(image: str, version: str, notes: str) -> str:
    """In one line, cut at a word so that both can hold it."""
    line = " ".join(unicodedata.normalize("NFKC", notes).translate(_TYPED).split())
    room = MAX_DESCRIPTION - len(_prefix(image, version))
    if len(line) <= room:
        return line
    cut = line[: room - 3]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:.") + "..."


def _ascii(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().split())
