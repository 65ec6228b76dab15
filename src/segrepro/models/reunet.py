"""REUnet (the paper's section 3) with seven encoding blocks, an Intermediator and attention gates.

Where text and code differ we follow the code, with one exception: the published code passes DB3 the
features of EB2 instead of its own input, which leaves most of the network unconnected
(``docs/decisions/0007-reunet-wiring.md``). By default that is mended.
"""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._dmbc import DMBC, hidden_width
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he_normal import he_normal
from segrepro.models._keras import batch_norm, initialise
from segrepro.models._shape import check_sides
from segrepro.models._squeeze import SqueezeExcitation

INTERMEDIATOR = 13
Seven = Annotated[tuple[PositiveInt, ...], Field(min_length=7, max_length=7)]
Four = Annotated[tuple[PositiveInt, ...], Field(min_length=4, max_length=4)]


FACTS = Facts(
    title="REUnet",
    source=(
        "Chakraborty et al., Robust semantic learning for precise medical image segmentation, "
        "section 3; code: labsroy007/RobustSemanticLearning (3d730ea)"
    ),
    licence="none, all rights reserved",
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=29500,  # estimated from the bytes of its tensors, 24 GB
    disagreements=(
        Disagreement(
            where="input of DB3",
            says="the text feeds each decoding block what came up and the gated skip connection",
            but="the code computes this for DB3 and then passes it EB2's features",
            choice=(
                "the text; `wiring=as_published` is what the code's graph keeps "
                "([why](../decisions/0007-reunet-wiring.md))"
            ),
        ),
        Disagreement(
            where="gating signal",
            says="a 1x1 convolution (Equation 5)",
            but="the code has 3x3",
            choice="the code; `gating_kernel=1` is the equation",
        ),
        Disagreement(
            where="hidden width",
            says="Equation 2 divides by the divisor squared",
            but="the code divides by the divisor and multiplies by it again, as EfficientNet does",
            choice=(
                "the code; by the equations no block would have more than 152 hidden filters, "
                "it has up to 9216"
            ),
        ),
        Disagreement(
            where="EfficientNet-B7",
            says="the encoder is B7's by filter sizes, strides and channels",
            but="only repeats and kernels are B7's; channels, expansions and strides are not",
            choice="the code; `widths`, `expansions` and `width_coefficient` can be B7's own",
        ),
        Disagreement(
            where="depthwise activation",
            says="ReLU or ReLU6, by the block",
            but="the code has ReLU6 in every block, and ReLU only in the expansion of EB1",
            choice="the code",
        ),
        Disagreement(
            where="attention gate: encoder",
            says="a 3x3 convolution",
            but="the code has 2x2 with stride 2, so that the sizes fit",
            choice="the code",
        ),
        Disagreement(
            where="attention gate: decoder",
            says="an upsampling U",
            but=(
                "the code has a transposed convolution whose stride comes out as 1, after two "
                "1x1 convolutions, the first one normalised and activated"
            ),
            choice="the code",
        ),
        Disagreement(
            where="attention gate: output",
            says="the product of coefficients and features (Equation 7)",
            but="the code adds a 1x1 convolution and a normalisation",
            choice="the code",
        ),
        Disagreement(
            where="decoding blocks",
            says="convolutions and ReLU",
            but="the code normalises too, and drops out at the end",
            choice="the code",
        ),
        Disagreement(
            where="output",
            says="a 1x1 convolution",
            but="the code normalises it",
            choice="the code",
        ),
        Disagreement(
            where="dropout",
            says="after each encoding block",
            but=(
                "the code's pooling and gates see it, the skip connections and what is enlarged "
                "do not"
            ),
            choice="the code",
        ),
        Disagreement(
            where="ablations",
            says="Tables 3 and 4 replace EB7 to EB4 and resize the Intermediator",
            but="how is not said, and the published graph does not connect these blocks",
            choice=(
                "A1 to A4 add up and put in two normalised 3x3 convolutions of the same width; "
                "size 0 leaves out the bridge too, EB7 follows EB5 unpooled and DB1's gate sees "
                "EB4"
            ),
        ),
        Disagreement(
            where="complexity",
            says=(
                "slightly more parameters than Mobile-UNet and the fewest operations of nearly all"
            ),
            but=(
                "the whole graph has 146.6 million parameters and 101 billion multiply-adds, "
                "the connected part 0.68 million and 12.9 billion"
            ),
            choice="none fits; both graphs are reported",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Seven = (32, 64, 128, 256, 512, 256, 512)
    """Filters of EB1 to EB7. EfficientNet-B7's own are 32, 48, 80, 160, 224, 384, 640."""
    decoder_widths: Four = (256, 128, 64, 32)
    """Filters of DB1 to DB4 and of their gates."""
    expansions: Seven = (1, 4, 6, 6, 6, 6, 6)
    """Eta of Equation 1 for EB1 to EB7. EfficientNet-B7's own are 1, then 6."""
    width_coefficient: PositiveFloat = 2.0
    """w of Equation 1."""
    intermediator: NonNegativeInt = INTERMEDIATOR
    """How many DMBCs EB6 has (Table 4); 0 leaves it out, and the bridge to it."""
    replace: Literal["none", "A1", "A2", "A3", "A4"] = "none"
    """Plain convolutions in place of EB7 (A1), and of EB6 (A2), EB5 (A3), EB4 (A4) (Table 3)."""
    attention: bool = True
    """Attention gates on the skip connections (Table 5)."""
    gating: bool = True
    """The gating signal: each DMBC adds its input to its output (Table 6)."""
    gating_kernel: Literal[3, 1] = 3
    """Of the gating signal's convolution: 3 in the code, 1 in Equation 5."""
    wiring: Literal["fixed", "as_published"] = "fixed"
    """``as_published`` is the part of the published graph that is connected to its output."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    @field_validator("replace")
    @classmethod
    def _no_size_for_what_is_replaced(cls, replace: str, info: ValidationInfo) -> str:
        if replace in {"A2", "A3", "A4"} and info.data.get("intermediator") != INTERMEDIATOR:
            raise ValueError(f"{replace} replaces the Intermediator, which then has no size")
        return replace


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    relu6: bool


# Repeats and kernels are EfficientNet-B7's.
STAGES = (
    _Stage(repeats=4, kernel=3, relu6=False),
    _Stage(repeats=7, kernel=3, relu6=True),
    _Stage(repeats=7, kernel=5, relu6=True),
    _Stage(repeats=10, kernel=3, relu6=True),
    _Stage(repeats=10, kernel=5, relu6=True),
    _Stage(repeats=INTERMEDIATOR, kernel=5, relu6=True),
    _Stage(repeats=4, kernel=3, relu6=True),
)
REPLACED = {"none": (), "A1": (7,), "A2": (7, 6), "A3": (7, 6, 5), "A4": (7, 6, 5, 4)}


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = REUNet(config, channels=channels, classes=classes)
    initialise(network)
    for module in network.modules():
        if isinstance(module, SqueezeExcitation):
            he_normal(module)
    return network


class REUNet(nn.Module):
    """The two finest levels, and all that lies below them (Figure 2)."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        fixed = config.wiring == "fixed"
        width, (_, _, db3, db4) = config.widths, config.decoder_widths
        self.multiple = 16 if fixed else 2
        self.down = _down(config)
        # Neither normalised nor activated.
        self.stem = nn.Conv2d(channels, width[0], 3, padding=1)
        self.eb1 = _encoding_block(config, 1, width_in=width[0])
        self.eb2 = _encoding_block(config, 2, width_in=width[0])
        self.below = Below(config) if fixed else None
        self.db3 = _decoding_block(self.below.width if self.below else width[1], db3, config)
        self.join4 = Join(db3, width[0], db4, attention=config.attention)
        self.db4 = _decoding_block(self.join4.width, db4, config)
        self.head = nn.Sequential(nn.Conv2d(db4, classes, 1), batch_norm(classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 16 (2 as published)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        eb1 = self.eb1(self.stem(images))
        eb2 = self.eb2(self.down(eb1))
        db3 = self.db3(eb2 if self.below is None else self.below(eb2))
        db4 = self.db4(self.join4(db3, eb1, signal=db3))
        logits: Tensor = self.head(db4)
        return logits


class Below(nn.Module):
    """From the features of EB2 to the input of DB3: what the published graph does not connect."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, (db1, db2, db3, _) = config.widths, config.decoder_widths
        attention = config.attention
        self.down = _down(config)
        self.dropout = nn.Dropout(config.dropout)
        self.eb3 = _encoding_block(config, 3, width_in=width[1])
        self.eb4 = _encoding_block(config, 4, width_in=width[2])
        self.eb5 = _encoding_block(config, 5, width_in=width[3])
        self.intermediator = Intermediator(config) if config.intermediator else None
        # Without it EB7 follows EB5, and DB1 joins EB4.
        before, skip = (width[5], width[5]) if config.intermediator else (width[4], width[3])
        self.eb7 = _encoding_block(config, 7, width_in=before)
        self.join1 = Join(width[6], skip, db1, attention=attention)
        self.db1 = _decoding_block(self.join1.width, db1, config)
        self.join2 = Join(db1, width[2], db2, attention=attention)
        self.db2 = _decoding_block(self.join2.width, db2, config)
        self.join3 = Join(db2, width[1], db3, attention=attention)
        self.width = self.join3.width

    def forward(self, eb2: Tensor) -> Tensor:
        """Map (N, width of EB2, H, W) to (N, self.width, H, W)."""
        eb3 = self.eb3(self.down(eb2))
        eb4 = self.eb4(self.down(eb3))
        eb5 = self.eb5(self.down(eb4))
        dropped = self.dropout(eb5)
        if self.intermediator is None:
            skip, eb7 = eb4, self.eb7(dropped)
        else:
            skip = self.intermediator(eb5, eb4, signal=dropped)
            eb7 = self.eb7(self.down(skip))
        db1 = self.db1(self.join1(eb7, skip, signal=self.dropout(eb7)))
        db2 = self.db2(self.join2(db1, eb3, signal=db1))
        joined: Tensor = self.join3(db2, eb2, signal=db2)
        return joined


class Intermediator(nn.Module):
    """EB6, and the bridge that leads EB5 and EB4 to it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        _, _, _, eb4, eb5, _, _ = config.widths
        self.bridge = Join(eb5, eb4, eb4, attention=config.attention)
        self.eb6 = _encoding_block(config, 6, width_in=self.bridge.width)

    def forward(self, eb5: Tensor, eb4: Tensor, *, signal: Tensor) -> Tensor:
        """Return EB6's features, of the size of EB4's."""
        eb6: Tensor = self.eb6(self.bridge(eb5, eb4, signal=signal))
        return eb6


class Join(nn.Module):
    """Features from below, enlarged, and then the gated ones of the encoder."""

    def __init__(self, width_below: int, width_skip: int, inner: int, *, attention: bool) -> None:
        super().__init__()
        self.width = width_below + width_skip
        self.gate = AttentionGate(width_skip, width_below, inner) if attention else None

    def forward(self, below: Tensor, skip: Tensor, *, signal: Tensor) -> Tensor:
        """Join (N, C, H, W) and (N, D, 2H, 2W) to (N, C + D, 2H, 2W); the gate sees `signal`."""
        if self.gate is not None:
            skip = self.gate(skip, signal)
        return torch.cat([_twice_as_large(below), skip], dim=1)


class AttentionGate(nn.Module):
    """Attention coefficients of a skip connection (section 3.3, Figure 4)."""

    def __init__(self, width_skip: int, width_below: int, inner: int) -> None:
        super().__init__()
        self.signal = _convolution(width_below, inner, kernel=1)
        self.theta = nn.Conv2d(width_skip, inner, 2, stride=2)
        # The second is "upsampling U" in the paper; in the code its stride comes out as 1.
        self.phi = nn.Sequential(
            nn.Conv2d(inner, inner, 1), nn.ConvTranspose2d(inner, inner, 3, padding=1)
        )
        self.psi = nn.Conv2d(inner, 1, 1)
        self.output = nn.Sequential(nn.Conv2d(width_skip, width_skip, 1), batch_norm(width_skip))

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        """Map (N, width_skip, 2H, 2W), seen from (N, width_below, H, W), to its own shape."""
        added = functional.relu(self.phi(self.signal(below)) + self.theta(skip))
        coefficients = _twice_as_large(torch.sigmoid(self.psi(added)))
        gated: Tensor = self.output(coefficients * skip)
        return gated


def _encoding_block(config: Config, number: int, *, width_in: int) -> nn.Sequential:
    stage, width = STAGES[number - 1], config.widths[number - 1]
    if number in REPLACED[config.replace]:
        # Without a dropout of its own: the one after the encoding block stays where it is.
        return _two_convolutions(width_in, width)
    repeats = config.intermediator if number == 6 else stage.repeats
    return nn.Sequential(
        *(
            DMBC(
                before,
                after,
                hidden=hidden_width(
                    before,
                    expansion=config.expansions[number - 1],
                    width_coefficient=config.width_coefficient,
                ),
                kernel=stage.kernel,
                relu6=stage.relu6,
                gate=config.gating_kernel if config.gating else None,
            )
            for before, after in pairwise((width_in, *[width] * repeats))
        )
    )


def _decoding_block(width_in: int, width: int, config: Config) -> nn.Sequential:
    return nn.Sequential(*_two_convolutions(width_in, width), nn.Dropout(config.dropout))


def _two_convolutions(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(width_in, width, kernel=3), _convolution(width, width, kernel=3)
    )


def _convolution(width_in: int, width: int, *, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, kernel, padding=kernel // 2),
        batch_norm(width),
        nn.ReLU(inplace=True),
    )


def _down(config: Config) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(config.dropout), nn.MaxPool2d(2))


def _twice_as_large(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="nearest")
