"""UNet++ (Zhou et al. 2018): a U-Net whose skip connections are paths of nested blocks.

Written from the paper's equations and the shapes that its codes have, and never from its official
repository, whose licence is non-commercial.
"""

from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he_normal import he_normal
from segrepro.models._shape import check_sides

DROPOUT = 0.5
Norm = Literal["batch", "none"]

FACTS = Facts(
    title="UNet++",
    source=(
        "Zhou et al. 2018, section 2; compared with 4uiiurz1/pytorch-nested-unet (557ea02) and, "
        "with `norm=none`, the counts of MrGiovanni/UNetPlusPlus (2659ddc), Keras"
    ),
    licence="MIT (4uiiurz1); non-commercial only, patent pending (the authors')",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=3800,
    disagreements=(
        Disagreement(
            where="normalisation",
            says="the authors' Keras network has none, and drops half of each convolution's output",
            but="the widespread PyTorch network has batch normalisation and no dropout",
            choice="batch normalisation; `norm=none` is the Keras network",
        ),
        Disagreement(
            where="up-sampling",
            says="Keras: transposed 2x2 convolutions",
            but="PyTorch: bilinear between aligned corners, without parameters",
            choice="as the network that `norm` chooses",
        ),
        Disagreement(
            where="order of what a block reads",
            says="Keras puts the up-sampled features first",
            but="PyTorch puts them last",
            choice="as the network that `norm` chooses",
        ),
        Disagreement(
            where="outputs",
            says="with deep supervision the paper averages four outputs, or prunes to one of them",
            but="both codes train without it by default",
            choice=(
                "off; `deep_supervision=true` returns four in training and predicts with the last"
            ),
        ),
        Disagreement(
            where="initial kernels",
            says="Keras draws them with he_normal",
            but="the PyTorch code leaves them to the framework",
            choice="he_normal for both",
        ),
        Disagreement(
            where="weight decay",
            says="Keras adds 1e-4 times each squared kernel to the loss",
            but="it is part of the layers there",
            choice="a matter of the recipe; the network has none",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128, 256, 512)
    """Filters of each level, from the finest to the coarsest."""
    norm: Norm = "batch"
    """``batch``: the PyTorch network; ``none``: the authors' Keras one, with dropout and transposed
    convolutions."""
    deep_supervision: bool = False
    """Whether every block of the finest level gets an output. In training the network then returns
    the logits of all of them, those of the last block first; it predicts with these."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = UNetPlusPlus(config, channels=channels, classes=classes)
    he_normal(network)
    return network


class UNetPlusPlus(nn.Module):
    """A triangle of blocks X[row, column]; column 0 is the encoder, row 0 has the image's size."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths, levels = config.widths, len(config.widths)
        block = partial(_double_convolution, norm=config.norm)
        self.multiple = 2 ** (levels - 1)
        self.norm = config.norm
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            block(before, width) for before, width in pairwise((channels, *widths))
        )
        # Column by column, and down each of them: a block reads the column to its left.
        nodes = [(row, column) for column in range(1, levels) for row in range(levels - column)]
        self.rows = [row for row, _ in nodes]
        # A transposed convolution brings up as many channels as the row has, an enlargement all.
        raised = widths[1:] if config.norm == "batch" else widths
        self.up = nn.ModuleList(_up(widths[row + 1], widths[row], config.norm) for row, _ in nodes)
        self.nested = nn.ModuleList(
            block(column * widths[row] + raised[row], widths[row]) for row, column in nodes
        )
        self.deep_supervision = config.deep_supervision
        heads = levels - 1 if config.deep_supervision else 1
        self.outputs = nn.ModuleList(nn.Conv2d(widths[0], classes, 1) for _ in range(heads))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of images whose sides are multiples of 2^(levels - 1).

        With deep supervision, in training, those of X[0, last], ..., X[0, 1].
        """
        check_sides(images, multiple=self.multiple)
        if self.training and self.norm == "batch":
            check_batch(images, stride=self.multiple)
        finest = self._finest_row(images)
        # Zipped from the right: without deep supervision the only output reads the last block.
        logits = tuple(output(x) for output, x in zip(self.outputs, finest[::-1], strict=False))
        return logits if self.training and self.deep_supervision else logits[0]

    def _finest_row(self, images: Tensor) -> list[Tensor]:
        """Return X[0, 1] to X[0, last]."""
        features = self.encoder[0](images)
        rows = [[features]]
        for block in self.encoder[1:]:
            features = block(self.pool(features))
            rows.append([features])
        for row, up, block in zip(self.rows, self.up, self.nested, strict=True):
            # Of the row below: what the column to the left has just added there.
            rows[row].append(block(self._joined(rows[row], up(rows[row + 1][-1]))))
        return rows[0][1:]

    def _joined(self, same_row: list[Tensor], up: Tensor) -> Tensor:
        in_order = [*same_row, up] if self.norm == "batch" else [up, *same_row]
        return torch.cat(in_order, dim=1)


def _up(width_in: int, width: int, norm: Norm) -> nn.Module:
    if norm == "batch":
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.ConvTranspose2d(width_in, width, 2, stride=2)


def _double_convolution(width_in: int, width: int, *, norm: Norm) -> nn.Sequential:
    return nn.Sequential(*_convolution(width_in, width, norm), *_convolution(width, width, norm))


def _convolution(width_in: int, width: int, norm: Norm) -> list[nn.Module]:
    convolution = nn.Conv2d(width_in, width, 3, padding=1)
    if norm == "batch":
        return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return [convolution, nn.ReLU(inplace=True), nn.Dropout(DROPOUT)]
