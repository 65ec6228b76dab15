"""How a paper trains."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from segrepro.protocol._frozen import Frozen
from segrepro.protocol.augmentation import Augmentation
from segrepro.protocol.slicing import Name

Checkpoint = Literal["last", "best_validation", "best_on_reported_fold"]
Share = Annotated[float, Field(ge=0, lt=1)]
Watched = Literal["train_loss", "selection_loss", "selection_monitor"]
"""A column of ``history.csv``; of losses the smaller is better, of the monitor the larger."""


class Adam(Frozen):
    """Kingma and Ba 2015; the defaults are that paper's."""

    name: Literal["adam"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0
    """Added to the gradient, as an L2 penalty is."""


class AdamW(Frozen):
    """Adam whose weight decay shrinks the weights themselves (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.01


class RMSprop(Frozen):
    """Tieleman and Hinton 2012; the defaults are PyTorch's (Keras: smoothing 0.9, epsilon 1e-7)."""

    name: Literal["rmsprop"] = "rmsprop"
    learning_rate: PositiveFloat = 1e-3
    smoothing: Share = 0.99
    epsilon: PositiveFloat = 1e-8
    momentum: Share = 0.0
    weight_decay: NonNegativeFloat = 0.0


class SGD(Frozen):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    learning_rate: PositiveFloat = 1e-2
    momentum: Share = 0.0
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


Optimiser = Annotated[Adam | AdamW | RMSprop | SGD, Field(discriminator="name")]


class Constant(Frozen):
    """The optimiser's learning rate, all the time."""

    name: Literal["constant"] = "constant"


class Poly(Frozen):
    """``(1 - step / steps) ** power`` times the optimiser's learning rate."""

    name: Literal["poly"] = "poly"
    power: PositiveFloat = 0.9


class Cosine(Frozen):
    """Half a cosine from the optimiser's learning rate down to `minimum`, over all steps."""

    name: Literal["cosine"] = "cosine"
    minimum: NonNegativeFloat = 0.0


class ReduceOnPlateau(Frozen):
    """Times `factor` when `patience` epochs in a row brought no improvement, as in Keras."""

    name: Literal["reduce_on_plateau"] = "reduce_on_plateau"
    watches: Watched = "selection_loss"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: PositiveInt = 10
    min_delta: NonNegativeFloat = 1e-4
    minimum: NonNegativeFloat = 0.0


Schedule = Annotated[Constant | Poly | Cosine | ReduceOnPlateau, Field(discriminator="name")]


class EarlyStopping(Frozen):
    """Stop when `patience` epochs in a row brought no improvement of more than `min_delta`."""

    watches: Watched = "selection_loss"
    patience: PositiveInt
    min_delta: NonNegativeFloat = 0.0


class LossProtocol(Frozen):
    """A file of ``segrepro.losses`` and its options."""

    name: Name
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def modules(self) -> list[str]:
        """The files that compute it: its own, and those of the losses that it sums up."""
        parts = [
            LossProtocol.model_validate(_named(part)) for part in self.options.get("parts", ())
        ]
        below = [module for part in parts for module in part.modules]
        return [f"segrepro.losses.{self.name}", *below]


def _named(part: Any) -> dict[str, Any]:  # noqa: ANN401 - options are checked where losses are built
    return {"name": part["name"], "options": part.get("options", {})}


class Recipe(Frozen):
    """Everything between a fresh network and its weights."""

    epochs: PositiveInt
    batch_size: PositiveInt
    """Images per step of the optimiser, over all devices and accumulated parts."""
    accumulate: PositiveInt = 1
    """Parts in which a batch passes through the network, for less memory. A batch normalisation
    then sees the parts, one by one."""
    optimiser: Optimiser = Adam()
    schedule: Schedule = Constant()
    loss: LossProtocol
    deep_supervision_weights: tuple[NonNegativeFloat, ...] = ()
    """Of the losses of a network's outputs in training, the main one first; none if it has one."""
    outputs: Literal["sigmoid", "softmax"] = "sigmoid"
    """``sigmoid``: each class for itself. ``softmax``: classes exclude each other, and the
    background is one more output, the first."""
    augmentation: Augmentation = Augmentation()
    early_stopping: EarlyStopping | None = None
    checkpoint: Checkpoint
    """Which weights count. ``best_on_reported_fold`` chooses on what it reports: optimistic."""
    monitor: Literal["jaccard", "dice"] = "jaccard"
    """The metric, averaged over images and classes, by which a best epoch is chosen."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of a sigmoid's probability; a softmax takes the most probable class."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """``tf32``: as fp32, but a GPU multiplies with 10 bits of mantissa."""
    seed: int = 0

    @property
    def images_at_a_time(self) -> int:
        """The images that pass through the network together, and must fit into memory."""
        return -(-self.batch_size // self.accumulate)

    @model_validator(mode="after")
    def _words_fit_together(self) -> Self:
        if self.accumulate > self.batch_size:
            raise ValueError(f"a batch of {self.batch_size} has no {self.accumulate} parts")
        return self
