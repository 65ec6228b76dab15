"""PSPNet (Zhao et al. 2017) on a dilated ResNet, sections 3.2 and 3.3 and the authors' later code.

The code is hszhao/semseg: PyTorch, a stem of three 3x3 convolutions, an encoder of stride 8.
"""

from functools import partial
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._dilated import PooledContext, convolution, resized, scaled
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he import initialise
from segrepro.models._resnet import BLOCKS, ResNet

BINS = (1, 2, 3, 6)
DROPOUT = 0.1

FACTS = Facts(
    title="PSPNet",
    source="Zhao et al. 2017, sections 3.2 and 3.3; code: hszhao/semseg (4f274c3)",
    licence="MIT",
    # As the table of the Ken model's paper would have it: one MRI channel, lesion or not.
    channels=1,
    classes=2,
    size=(128, 128),
    training_mb=2000,
    disagreements=(
        Disagreement(
            where="stem",
            says="the paper builds on ResNet, which begins with one 7x7 convolution",
            but="the code has three 3x3 convolutions of 64, 64 and 128 filters",
            choice="the code; `stem=plain` is the 7x7 one",
        ),
        Disagreement(
            where="sides of the input",
            says="the code asserts that a side is a multiple of 8, plus one",
            but="neither the paper nor the arithmetic needs it",
            choice="any size, and the logits are resized to it",
        ),
        Disagreement(
            where="encoder",
            says="its own paper reports ResNet-50 to ResNet-269",
            but="the papers that use it as a baseline name no encoder",
            choice="ResNet-50; `backbone=resnet101` is the other one",
        ),
        Disagreement(
            where="initial kernels",
            says="the code loads ImageNet weights into the encoder",
            but="and leaves the pyramid and the output to PyTorch's default start",
            choice="without such weights: He's normal distribution everywhere",
        ),
        Disagreement(
            where="auxiliary head",
            says="the paper and the code train with a second loss on stage 3, weight 0.4",
            but="the papers that use it as a baseline do not mention one",
            choice="off; `auxiliary_head=true` returns its logits beside the others in training",
        ),
    ),
    pretraining="ImageNet, the encoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: Literal["resnet50", "resnet101"] = "resnet50"
    stem: Literal["deep", "plain"] = "deep"
    """``deep``: three 3x3 convolutions, as in the authors' code; ``plain``: ResNet's one of 7x7."""
    auxiliary_head: bool = False
    """Whether the third stage gets an output of its own. In training the network then returns
    (logits, auxiliary logits); the code weights the loss of the second by 0.4."""
    width_factor: PositiveFloat = 1.0
    """Multiplies every number of filters; 1 is the paper's network."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = PSPNet(config, channels=channels, classes=classes)
    initialise(network)
    return network


class PSPNet(nn.Module):
    """An encoder of stride 8, and the means of its features over regions of four sizes."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d
        width = partial(scaled, factor=config.width_factor)
        self.encoder = ResNet(
            BLOCKS[config.backbone],
            channels=channels,
            stem=config.stem,
            output_stride=8,
            norm=norm,
            width_factor=config.width_factor,
        )
        *_, third, deepest = self.encoder.widths
        self.pyramid = nn.ModuleList(
            PooledContext(deepest, width(512), bins=bins, norm=norm) for bins in BINS
        )
        joined = deepest + len(BINS) * width(512)
        self.output = _head(joined, width(512), classes)
        self.auxiliary = _head(third, width(256), classes) if config.auxiliary_head else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits of images of any size, in training with those of the auxiliary head.

        Raises
        ------
        UserError
            If a batch of one is to be trained on: the mean of a map is a single value.
        """
        if self.training:
            check_batch(images, stride=None)
        *_, third, deepest = self.encoder(images)
        context = [level(deepest) for level in self.pyramid]
        logits = resized(self.output(torch.cat([deepest, *context], dim=1)), like=images)
        if self.auxiliary is None or not self.training:
            return logits
        return logits, resized(self.auxiliary(third), like=images)


def _head(width_in: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        *convolution(width_in, width, kernel=3, norm=nn.BatchNorm2d),
        nn.Dropout2d(DROPOUT),
        nn.Conv2d(width, classes, 1),
    )
