"""How many bytes of tensors a computation holds at its worst moment."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of the tensors alive inside this context.

    Counting tensors instead of asking the system for the process's memory gives the same number
    on every machine, and is not blurred by allocators and by what ran before.

    Parameters
    ----------
    held
        Tensors that exist before and after: weights and inputs.
    """

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live_bytes = 0
        self.peak_bytes = 0
        self._known: set[int] = set()
        for tensor in held:
            self._note(tensor.untyped_storage())

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - the signature is PyTorch's
        types: Any,  # noqa: ANN401 - as above
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Run an operation and note what it returns."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        # Views and in-place results share a storage that is counted already.
        key, size = storage._cdata, storage.nbytes()  # noqa: SLF001 - its only identity
        if key not in self._known:
            self._known.add(key)
            self.live_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.live_bytes)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live_bytes -= size
