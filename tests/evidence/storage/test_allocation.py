"""Memory freed by one frame serves the next, counted in page faults."""

import platform
import subprocess
import sys

import pytest

READING = """
import resource
from evidence.storage.allocation import keep_freed_blocks
if {keep}:
    keep_freed_blocks()
    keep_freed_blocks()
for _ in range(3):
    blocks = [b"x" * (1 << 20) for _ in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    blocks = None
    blocks = [b"x" * (1 << 20) for _ in range(3)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep: bool) -> int:
    run = subprocess.run([sys.executable, "-c", READING.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nothing is done")
def test_frames_reuse_memory_instead_of_faulting_it_in_again() -> None:
    assert faults(keep=True) < faults(keep=False) / 10
