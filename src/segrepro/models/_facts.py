"""What a network's own file states about its source, for ``docs/guide/models.md``."""

from dataclasses import dataclass

from segrepro import registry
from segrepro.errors import UserError


@dataclass(frozen=True)
class Disagreement:
    """One place where a paper and its code, or two passages of a paper, contradict each other."""

    where: str
    """What the disagreement is about, in a few words: "output layer"."""
    says: str
    """What one of them says, usually the paper."""
    but: str
    """What the other one says or does, usually the code; or that nothing is said."""
    choice: str
    """What we do, and why if that is not plain."""


@dataclass(frozen=True)
class Facts:
    """A network's origin, and the input for which its paper (or its code) describes it."""

    title: str
    """The name as the paper writes it."""
    source: str
    """Paper, section and code that the network was written from."""
    licence: str
    """Licence of that code, or that there is no code, or no licence."""
    channels: int
    classes: int
    size: tuple[int, ...]
    """Sides of the input: (H, W) or (D, H, W)."""
    training_mb: int
    """The most memory of a process that trains it on a CPU, in fp32, four such inputs at a time:
    measured (``benchmarks/train_networks.py``), and a twentieth more."""
    disagreements: tuple[Disagreement, ...]
    pretraining: str = ""
    """The weights from which the paper starts, and we do not unless they are given as the option
    ``pretrained``; empty if it starts from none. Every table says so of results without them."""
    no_onnx: str = ""
    """Why the network cannot be exported to ONNX, which a test then tries; empty if it can."""


def facts_of(name: str) -> Facts:
    """Return the constant ``FACTS`` of a network's file, which must have one."""
    facts = getattr(registry.load("segrepro.models", name, kind="model"), "FACTS", None)
    if not isinstance(facts, Facts):
        raise UserError(
            f"models/{name}.py has no FACTS.", "State them as its neighbours do: models/unet.py."
        )
    return facts
