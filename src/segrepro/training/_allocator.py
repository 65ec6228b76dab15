"""How a process asks its system for memory."""

import ctypes

# Of glibc's malloc.h, for `mallopt`.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what its tensors free, for the next ones; say whether it will.

    By default glibc hands every large block back as soon as it is free, and the system zeroes each
    page of the next one anew: on a CPU a quarter to a half of a training step. What is kept may be
    in pieces: a process then takes up to two thirds more memory (`docs/decisions/0011-memory.md`).

    Call it before other threads allocate. Where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # One pool for all threads: gradients are computed, and freed, by a thread of their own.
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in settings)
