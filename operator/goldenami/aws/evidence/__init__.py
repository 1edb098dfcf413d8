"""Evidence from AWS: one small function for each source, all with one signature, and one that asks them all."""

from goldenami.aws.evidence.gathering import awaited, expect, gather
from goldenami.aws.evidence.question import Asked, Listings, Question

__all__ = ["Asked", "Listings", "Question", "awaited", "expect", "gather"]
