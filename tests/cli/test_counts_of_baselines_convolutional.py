"""What `segrepro count` prints of the convolutional baselines of the REUnet paper.

Each number is that of running the reference implementation.
"""

import pytest

INPUTS = ((3, 1), (1, 1), (3, 4), (1, 4))
"""Channels and classes of the four numbers in each row."""

TRAINABLE = {
    "attention_unet": (34878573, 34877421, 34878768, 34877616),
    "unetpp": (9163329, 9162753, 9163428, 9162852),
    "unetpp --set deep_supervision=true": (9163428, 9162852, 9163824, 9163248),
    "unetpp --set norm=none": (9042177, 9041601, 9042276, 9041700),
    "unet3p": (26971777, 26970625, 26980420, 26979268),
    "unet3p --set deep_supervision=true": (26989637, 26988485, 27051860, 27050708),
    "drunet104": (76431537, 76431377, 76431636, 76431476),
    "mobileunet": (4683097, 4682521, 4683868, 4683292),
    "deeplabv3p": (59339169, 59332897, 59339940, 59333668),
    "deeplabv3p --set backbone=xception": (54700177, 54699601, 54700948, 54700372),
    "deeplabv3p --set backbone=mobilenetv2": (5810913, 5810337, 5811684, 5811108),
    # With the single convolution of VainF's decoder.
    "deeplabv3p --set backbone=resnet50 --set decoder_convolutions=1": (
        39756705,
        39750433,
        39757476,
        39751204,
    ),
    "deeplabv3p --set backbone=resnet101 --set decoder_convolutions=1": (
        58748833,
        58742561,
        58749604,
        58743332,
    ),
    "pspnet --set auxiliary_head=true": (49066178, 49065026, 49068488, 49067336),
    "pspnet --set backbone=resnet101 --set auxiliary_head=true": (
        68058306,
        68057154,
        68060616,
        68059464,
    ),
}


@pytest.mark.parametrize(
    ("arguments", "channels", "classes", "trainable"),
    [
        (arguments, channels, classes, number)
        for arguments, numbers in TRAINABLE.items()
        for (channels, classes), number in zip(INPUTS, numbers, strict=True)
    ],
)
def test_a_baseline_trains_as_many_numbers_as_its_reference(
    segrepro, arguments, channels, classes, trainable
):
    shown = segrepro("count", *arguments.split(), f"--channels={channels}", f"--classes={classes}")
    assert shown.out.endswith(f"\ntrainable {trainable}\n")


@pytest.mark.parametrize(
    ("arguments", "trainable"), [("", 46706113), ("--set backbone=resnet101", 65698241)]
)
def test_pspnet_without_its_auxiliary_head_trains_so_many(segrepro, arguments, trainable):
    shown = segrepro("count", "pspnet", *arguments.split(), "--channels=3", "--classes=1")
    assert shown.out.endswith(f"\ntrainable {trainable}\n")


def test_the_u_net_beside_d_unet_counts_its_batch_normalisation(segrepro):
    shown = segrepro("count", "unet", "--channels=1", "--set", "batch_norm=true")
    assert shown.out == "total 7771297\ntrainable 7765409\n"
