"""Memory that is no longer used goes back to the system: how glibc's allocator is told so."""

import ctypes

# mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 65_536
"""Answers of AWS and of the API server are mostly larger, and live for a moment."""
ARENAS = 2


def give_back() -> bool:
    """What is large is mapped for itself, and all threads share two heaps; whether the C library took that, as only glibc does.

    To be called before any thread is started. By default a thread gets a heap of its own, in which the last long-lived byte keeps all that
    was freed around it, and glibc takes ever larger pieces from there: a restart with 5,000 replicas ended at 240 MiB, and ends at 165.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = ((_M_MMAP_THRESHOLD, LARGE_BYTES), (_M_TRIM_THRESHOLD, LARGE_BYTES), (_M_ARENA_MAX, ARENAS))
    return all(mallopt(option, value) == 1 for option, value in wanted)
