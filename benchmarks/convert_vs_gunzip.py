"""Seconds to convert gzipped volumes in one process, against reading and unpacking the same files.

The reader is the faster one of the standard library's gzip and ISA-L's. Converting checks the
manifest, the grids and the labels, counts voxels, packs again and writes to the disk.
"""

import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from isal import igzip

from benchmarks._result import REPETITIONS, Result, median_ratio
from benchmarks._volumes import DATASET, write_cases
from segrepro.cases.convert import convert

BAR = 1.5
CASES = 3


def measure() -> Result:
    """Return how many times as long converting takes."""
    with tempfile.TemporaryDirectory() as place:
        raw, out = Path(place) / "raw", Path(place) / "cases"
        manifest = write_cases(raw, cases=CASES)
        files = sorted(raw.rglob("*.nii.gz"))
        readers = {"gzip": gzip.decompress, "isal": igzip.decompress}
        times: dict[str, list[float]] = {name: [] for name in (*readers, "convert")}
        for _ in range(REPETITIONS + 1):
            for name, read in readers.items():
                times[name].append(_seconds(lambda read=read: _read_all(files, read)))
            times["convert"].append(
                _seconds(lambda: convert(DATASET, raw=raw, manifest=manifest, out=out))
            )
        two = [
            _seconds(lambda: convert(DATASET, raw=raw, manifest=manifest, out=out, workers=2))
            for _ in range(2)
        ]
        packed_bytes = sum(path.stat().st_size for path in files)
    # The first round fills the page cache and imports what is imported late.
    times = {name: seconds[1:] for name, seconds in times.items()}
    fastest = min(readers, key=lambda name: sorted(times[name])[REPETITIONS // 2])
    return Result(
        name="convert_vs_gunzip",
        ratio=median_ratio(times["convert"], times[fastest]),
        bar=BAR,
        at_least=False,
        detail={
            "seconds": times,
            "seconds_with_two_workers_from_their_start": two,
            "fastest_reader": fastest,
            "cases": CASES,
            "packed_bytes": packed_bytes,
            "repetitions": REPETITIONS,
            "device": "cpu, one process that unpacks and packs in two threads",
        },
    )


def _read_all(files: list[Path], read: Callable[[bytes], bytes]) -> None:
    for path in files:
        read(path.read_bytes())


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
