"""Published weights as the start of a network: read without running code, checked, and reported."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from segrepro.errors import UserError
from segrepro.progress import note

WRAPPERS = ("model", "state_dict")
"""Under which key a checkpoint holds its weights, where it holds other things too."""
SHOWN, LONGEST = 3, 80
"""Names of tensors in a report, and their letters."""
ENCODER = ("patch_embed.", "layers.", "norm.")
"""What the names of an encoder's tensors begin with, in Swin-T and VMamba and in our networks."""
STEM = "patch_embed.proj.weight"
BIAS_TABLE = ".relative_position_bias_table"


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by name; no code that it may hold is run.

    Parameters
    ----------
    path
        A ``.npz`` of arrays, a ``.safetensors``, or a ``.pth`` or ``.pt`` of nothing but tensors,
        by themselves or under the key ``model`` or ``state_dict``.

    Raises
    ------
    UserError
        If it is missing, none of these or damaged, or holds what would have to be executed.
    """
    if not path.is_file():
        raise UserError(
            f"no weights at {path}.", "Put the published file there, or correct the path."
        )
    if path.suffix not in READERS:
        raise UserError(
            f"{path}: weights of this kind are unknown.", f"Known: {', '.join(READERS)}."
        )
    try:
        stored = READERS[path.suffix](path)
    # Not a list of errors: what a damaged or hostile file makes its reader raise is open.
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as weights and nothing else ({type(error).__name__}).",
            "Download the published file again; if it holds other objects too, save its tensors"
            " alone as .safetensors, on a machine that may run them.",
        ) from error
    if not stored:
        raise UserError(f"{path} holds no tensors by name.", "Download the published file again.")
    return stored


def _of_npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _of_torch(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old file formats
        content = torch.load(path, map_location="cpu", weights_only=True)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    items = content.items() if isinstance(content, Mapping) else ()
    return {str(name): value for name, value in items if isinstance(value, Tensor)}


READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npz": _of_npz,
    ".pth": _of_torch,
    ".pt": _of_torch,
    ".safetensors": safetensors.torch.load_file,
}


def load_mirrored(network: nn.Module, path: Path) -> None:
    """Let an encoder begin with the weights of its classifier, and the decoder's blocks with them.

    As Swin-Unet, Mamba-UNet and VM-UNet do it: a decoder's stage takes the blocks of the encoder's
    stage of the same width, by their place.

    Parameters
    ----------
    network
        Its stages are ``layers.0`` to ``layers.3`` and ``layers_up.0`` to ``layers_up.3``.
    path
        Weights of Swin or VMamba.

    Raises
    ------
    UserError
        If the file lacks a tensor of the encoder, or one of them has another shape. Two shapes
        may differ: the first layer's, which is summed over its colours for one channel, and those
        of position biases for another window, which are left out, as Swin-Unet does it.
    """
    stored = read(path)
    chosen: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, wanted in network.state_dict().items():
        source = source_of(name)
        if source is None or (source not in stored and name != source):
            continue
        if source not in stored:
            raise misfit(path, f"it lacks {source!r}")
        tensor = stored[source]
        if name == STEM and wanted.shape[1] == 1:
            # What the code gets from repeating the image.
            tensor = tensor.sum(1, keepdim=True)
        if tensor.shape != wanted.shape and name.endswith(BIAS_TABLE):
            continue
        chosen[name] = tensor
        used.add(source)
    put(network, chosen, path=path, unused=[name for name in stored if name not in used])


def source_of(name: str) -> str | None:
    """Return the name, in a classifier's file, of what a tensor of a network begins with."""
    if name.startswith(ENCODER):
        return name
    stage, _, rest = name.removeprefix("layers_up.").partition(".")
    if name.startswith("layers_up.") and rest.startswith("blocks."):
        return f"layers.{3 - int(stage)}.{rest}"
    return None


def put(network: nn.Module, chosen: Mapping[str, Tensor], *, path: Path, unused: list[str]) -> None:
    """Copy tensors into a network, and say on stderr which were loaded and which were not.

    Parameters
    ----------
    chosen
        By the network's names.
    unused
        What else is in the file.

    Raises
    ------
    UserError
        If a shape differs, or a value is no finite number; the network is then as it was.
    """
    own = network.state_dict()
    for name, tensor in chosen.items():
        if tensor.shape != own[name].shape:
            shapes = " instead of ".join(str(tuple(t.shape)) for t in (tensor, own[name]))
            raise misfit(path, f"{name!r} would have shape {shapes}")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise misfit(path, f"{name!r} would not be finite numbers")
    with torch.no_grad():
        for name, tensor in chosen.items():
            own[name].copy_(tensor)
    begun = [name for name in own if name not in chosen]
    note(
        f"{path.name}: loaded {len(chosen)} of the network's {len(own)} tensors;"
        f" drawn at random: {_some(begun)}; unused in the file: {_some(unused)}"
    )


def misfit(path: Path, what: str) -> UserError:
    """Return the error of weights that are those of another network."""
    return UserError(
        f"{path} does not fit: {what}.",
        "Use the published file that docs/guide/models.md names, or the options it was made for.",
    )


def _some(names: list[str]) -> str:
    # Names come from a file: nothing in them may reach a terminal as more than text.
    shown = ", ".join(ascii(name[:LONGEST])[1:-1] for name in names[:SHOWN])
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} ({shown}{more})" if names else "none"
