"""A GPU of its own for each of the jobs that run side by side on one machine.

Snakemake counts GPUs and gives none away by name; a batch system does both. A lock file per GPU
says which ones are taken; the system lets go of it when the job ends, however that happens.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from segrepro.progress import note

LOCKS = Path(tempfile.gettempdir()) / "segrepro-gpus"
WAIT_SECONDS = 1.0


@contextmanager
def claimed(wanted: int, *, there: Sequence[str], locks: Path = LOCKS) -> Iterator[list[str]]:
    """Yield the names of so many GPUs that no other job on this machine has; wait for them.

    Parameters
    ----------
    wanted
        How many; at most as many as there are.
    there
        The names of the GPUs that this job may use.
    locks
        Folder of the lock files, shared by all jobs.
    """
    locks.mkdir(parents=True, exist_ok=True)
    said = False
    while True:
        with ExitStack() as stack:
            # Lazily: no more are taken than are wanted.
            free = (name for name in there if _take(locks / f"{name}.lock", stack))
            mine = list(islice(free, wanted))
            if len(mine) == wanted:
                yield mine
                return
        if not said:
            note(f"waiting for {wanted} of {len(there)} GPUs")
            said = True
        time.sleep(WAIT_SECONDS)


def _take(path: Path, stack: ExitStack) -> bool:
    handle: IO[str] = stack.enter_context(path.open("a"))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def visible() -> list[str] | None:
    """Return the GPUs that a batch system or the user chose; ``None`` if nobody chose."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if chosen is None else [name for name in chosen.split(",") if name]
