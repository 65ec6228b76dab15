"""Start one run in several processes, and bring a user's mistake back from them."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessException

from segrepro.errors import UserError
from segrepro.training._allocator import keep_freed_memory

Work = Callable[..., None]


def launch(fabric: Fabric, work: Work, *arguments: Any) -> None:  # noqa: ANN401 - handed on
    """Call ``work(fabric, *arguments)`` in every process of a fabric.

    Raises
    ------
    UserError
        The first that any process raised; the others are stopped.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            in_process: Callable[[Fabric], Any] = partial(
                _in_process, work=work, folder=Path(folder), arguments=arguments
            )
            fabric.launch(in_process)
        except ProcessException as error:
            mistakes = sorted(Path(folder).iterdir())
            if not mistakes:
                raise
            raise UserError(*json.loads(mistakes[0].read_text(encoding="utf-8"))) from error


def _in_process(fabric: Fabric, *, work: Work, folder: Path, arguments: tuple[Any, ...]) -> None:
    keep_freed_memory()
    try:
        work(fabric, *arguments)
    except UserError as error:
        # What a process raises reaches its parent as the text of a traceback only.
        mistake = folder / f"{fabric.global_rank}.json"
        mistake.write_text(json.dumps([error.fact, error.cure]), encoding="utf-8")
        raise
