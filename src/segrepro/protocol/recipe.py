"""How a paper trains."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from segrepro.protocol._frozen import Frozen
from segrepro.protocol.slicing import Name

Checkpoint = Literal["last", "best_validation", "best_on_reported_fold"]


class Adam(Frozen):
    """Kingma and Ba 2015; the defaults are that paper's."""

    name: Literal["adam"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class LossProtocol(Frozen):
    """A file of ``segrepro.losses`` and its options."""

    name: Name
    options: dict[str, Any] = Field(default_factory=dict)


class Recipe(Frozen):
    """Everything between a fresh network and its weights."""

    epochs: PositiveInt
    batch_size: PositiveInt
    optimiser: Adam = Adam()
    loss: LossProtocol
    checkpoint: Checkpoint
    """Which weights count. ``best_on_reported_fold`` chooses on what it reports: optimistic."""
    monitor: Literal["jaccard", "dice"] = "jaccard"
    """The metric, averaged over images and classes, by which a best epoch is chosen."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
