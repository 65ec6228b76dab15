"""What PyTorch has no form of that gives the same bits twice on a GPU: it refuses a run there.

From its documentation of `use_deterministic_algorithms`; bilinear interpolation has another form.
"""

import re

from torch import Tensor

BY_CHANCE = re.compile(
    "AvgPool3D|AdaptiveAvgPool|AdaptiveMaxPool|FractionalMaxPool|MaxUnpool|ReflectionPad|NllLoss"
    "|UpsampleLinear|UpsampleBicubic|UpsampleTrilinear|GridSampler|Cumsum|Cumprod|^Put|Median"
)


def by_chance_on_gpus(result: Tensor) -> set[str]:
    """Return the names of such operations among those whose gradients a result needs."""
    todo = [result.grad_fn]
    seen = set()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [before for before, _ in node.next_functions]
    assert seen
    return {node.name() for node in seen if BY_CHANCE.search(node.name())}
