"""Memory that a process keeps is not fetched from the system again."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from _tiny_run import train_tiny, write_study

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")

# Forty blocks of 64 MiB, one after the other, and what the system had to fetch for the last ten:
# at first, what lies around a block that was freed is used up by smaller ones.
PROGRAM = """
import resource, sys
from segrepro.training._allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import torch
for number in range(40):
    if number == 30:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(2**26, dtype=torch.uint8)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""
BLOCK = 2**26


def fetched_bytes(form: str) -> int:
    command = [sys.executable, "-c", PROGRAM, form]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


@glibc
def test_a_block_that_was_kept_is_not_fetched_again() -> None:
    assert fetched_bytes("kept") < 2 * BLOCK
    assert fetched_bytes("default") > 9 * BLOCK


TRAIN = """
import sys
from pathlib import Path
from segrepro.training._allocator import keep_freed_memory
assert keep_freed_memory()
from _tiny_run import train_tiny
train_tiny(Path(sys.argv[1]), out="kept")
"""


@glibc
def test_a_run_ends_in_the_same_bytes_either_way(tmp_path: Path) -> None:
    write_study(tmp_path)
    default = train_tiny(tmp_path, out="default")
    command = [sys.executable, "-c", TRAIN, str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent)
    for name in ("model.safetensors", "last.safetensors", "history.csv"):
        assert (tmp_path / "kept" / name).read_bytes() == (default / name).read_bytes()
