"""What modules inside a network see and give."""

from torch import Tensor, nn


def watched(
    network: nn.Module, images: Tensor, **modules: nn.Module
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the input and the output of each of these modules, in one forward pass."""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    # Copies, for an activation may write into what it is given.
    for name, module in modules.items():
        module.register_forward_pre_hook(
            lambda _, given, name=name: inputs.update({name: given[0].clone()})
        )
        module.register_forward_hook(
            lambda _, __, given, name=name: outputs.update({name: given.clone()})
        )
    network(images)
    return {name: (inputs[name], outputs[name]) for name in modules}
