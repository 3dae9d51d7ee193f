"""Memory for frames, kept for the next frame instead of being given back to the system each time.

Frames are blocks of a mebibyte, and glibc by default returns two or three of them to the kernel as
soon as they are free; the next frame then meets hundreds of page faults, which cost several times
what encrypting it does.  Elsewhere than on glibc nothing is done.
"""

import ctypes

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_KEPT = 16 << 20
"""Bytes free at the end of a heap that are kept; enough for the frames of a few requests at once."""


def keep_freed_blocks() -> None:
    """Tell this process's allocator; harmless to repeat. Changes speed and nothing else."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_TRIM_THRESHOLD, _KEPT)
        tune(_MMAP_THRESHOLD, _KEPT)
