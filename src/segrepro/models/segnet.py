"""SegNet (Badrinarayanan et al., IEEE TPAMI 2017): VGG16 and its mirror image, max-unpooled."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he import initialise
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="SegNet",
    source="Badrinarayanan, Kendall and Cipolla, IEEE TPAMI 2017; a row of the table of Patil et "
    "al. (Ken model); written from the description",
    licence="no code used",
    channels=1,
    classes=2,
    size=(128, 128),
    training_mb=1300,
    disagreements=(
        Disagreement(
            where="which SegNet",
            says="the paper: VGG16 and its mirror image, with the places of the maxima kept",
            but="code near Ken's table calls SegNet a network of ten single convolutions with "
            "nearest-neighbour up-sampling",
            choice="the paper's, 29,458,882 parameters",
        ),
    ),
    pretraining="ImageNet, the encoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 128, 256, 512, 512)
    """Filters of each level; as in VGG16, the first two have two convolutions, the others three."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = SegNet(config.widths, channels=channels, classes=classes)
    initialise(network)
    return network


class SegNet(nn.Module):
    """An encoder that remembers where its maxima were, and a decoder that puts them back there."""

    def __init__(self, widths: tuple[int, ...], *, channels: int, classes: int) -> None:
        super().__init__()
        counts = [2 if level < 2 else 3 for level in range(len(widths))]
        self.multiple = 2 ** len(widths)
        self.encoder = nn.ModuleList(
            _convolutions(before, [width] * count)
            for before, width, count in zip((channels, *widths), widths, counts, strict=False)
        )
        # A level's last convolution returns to the filters of the level above.
        self.decoder = nn.ModuleList(
            _convolutions(width, [width] * (count - 1) + [above])
            for width, above, count in zip(
                widths[:0:-1], widths[-2::-1], counts[:0:-1], strict=True
            )
        )
        self.last = _convolutions(widths[0], [widths[0]] * (counts[0] - 1))
        self.output = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^levels."""
        check_sides(images, multiple=self.multiple)
        features = images
        places: list[Tensor] = []
        for block in self.encoder:
            features, place = functional.max_pool2d_with_indices(block(features), (2, 2))
            places.append(place)
        for block in [*self.decoder, self.last]:
            features = block(unpool(features, places.pop()))
        logits: Tensor = self.output(features)
        return logits


def unpool(features: Tensor, places: Tensor) -> Tensor:
    """Put each value where the maximum of its 2x2 window was, and zeros elsewhere.

    Parameters
    ----------
    features
        Shape (N, C, H, W).
    places
        Same shape: positions in a flattened image of 2H x 2W pixels, as max-pooling returns them.

    Returns
    -------
    Tensor
        Shape (N, C, 2H, 2W).
    """
    # Not `max_unpool2d`: PyTorch refuses it where the same bits are asked for every time.
    batch, channels, height, width = features.shape
    empty = features.new_zeros(batch, channels, 4 * height * width)
    filled = empty.scatter(2, places.flatten(2), features.flatten(2))
    return filled.view(batch, channels, 2 * height, 2 * width)


def _convolutions(width_in: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, width in zip([width_in, *widths], widths, strict=False):
        layers += [
            nn.Conv2d(before, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
