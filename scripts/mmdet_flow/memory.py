"""How C library and Python deal with memory, in processes that live long."""

import gc
import os

ARENAS, MAPPINGS, TRIM = -8, -4, -1
"""Numbers of mallopt: M_ARENA_MAX, M_MMAP_MAX and M_TRIM_THRESHOLD."""

NEVER = 2**31 - 1


def memory_size() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def keep_freed_memory() -> None:
    """Have this process keep what it frees, for its next large arrays.

    glibc gives arrays of tens of MB back to the system, which hands them out again page
    by page, each cleared: 10 microseconds for 4 KB in a virtual machine, more than what
    is then computed with them. Feature maps of two-stage detectors are that large. The
    process stays as large as it once was. Does nothing with another C library.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in ((ARENAS, 1), (MAPPINGS, 0), (TRIM, NEVER)):
            mallopt(setting, value)


def keep_what_is_loaded() -> None:
    """Have Python's garbage collector leave alone all objects that there are.

    Each full collection looks at half a million objects of the packages and the model,
    for 0.1 s, and finds none to free. For processes that load one model.
    """
    gc.freeze()
