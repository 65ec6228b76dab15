"""Peak memory of converting volumes, in decoded cases per process, for few and for many cases.

Measured as the operating system does, in a process of its own that has converted a small case
before, so that libraries do not count.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._result import REPETITIONS, Result
from benchmarks._volumes import DATASET, decoded_bytes, write_cases

BAR = 3.0
FEW, MANY = 2, 8

CHILD = """
import json, sys
from pathlib import Path
from segrepro.cases.convert import convert

def peak():
    # Not ru_maxrss: a child begins with its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

dataset, small, large = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
for raw in (small, large):
    before = peak()
    convert(dataset, raw=raw, manifest=raw.with_name(raw.name + ".manifest.csv"),
            out=raw.with_name(raw.name + ".cases"))
print(json.dumps(peak() - before))
"""


def measure() -> Result:
    """Return the most decoded cases that a converting process holds at a time."""
    with tempfile.TemporaryDirectory() as place:
        small, few, many = (Path(place) / name for name in ("small", "few", "many"))
        write_cases(small, cases=1, shape=(48, 48, 31))
        write_cases(few, cases=FEW)
        write_cases(many, cases=MANY)
        case_bytes = decoded_bytes(few)
        peaks = {
            raw.name: [_peak_bytes(small, raw) for _ in range(REPETITIONS)] for raw in (few, many)
        }
    return Result(
        name="convert_memory",
        # The worst one: a median would hide a run that held more.
        ratio=max(peaks["few"] + peaks["many"]) / case_bytes,
        bar=BAR,
        at_least=False,
        detail={
            "bytes_of_a_decoded_case": case_bytes,
            f"peak_bytes_of_{FEW}_cases": peaks["few"],
            f"peak_bytes_of_{MANY}_cases": peaks["many"],
            "repetitions": REPETITIONS,
            "device": "cpu, one process",
        },
    )


def _peak_bytes(small: Path, raw: Path) -> int:
    command = [sys.executable, "-c", CHILD, DATASET, str(small), str(raw)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(json.loads(run.stdout))
