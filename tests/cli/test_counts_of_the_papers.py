"""What `segrepro count` prints of the papers' variants and baselines, beside the networks' own."""

import pytest

B7 = (
    "--set widths=[32,48,80,160,224,384,640] --set expansions=[1,6,6,6,6,6,6] "
    "--set width_coefficient=1"
)


@pytest.mark.parametrize(
    ("arguments", "total", "trainable"),
    [
        ("multiresunet3d --channels 1", 18656888, 18632366),
        # The same number with a transposed convolution or with up-sampling and a 2x2 convolution.
        ("unet --channels 1 --set widths=[64,128,256,512,1024]", 31030593, 31030593),
        ("unet_rdi --channels 1 --set batch_norm=true", 15612545, 15603713),
        # REUnet's: a class more is 35 trained numbers more.
        ("reunet --channels 3 --classes 2", 146556815, 145848075),
        ("reunet --channels 3 --classes 4", 146556889, 145848145),
        (
            "reunet --channels 3 --set width_coefficient=1 --set gating_kernel=1",
            77086186,
            76714856,
        ),
        (f"reunet --channels 3 {B7}", 64316970, 64002856),
        (f"reunet --channels 3 {B7} --set gating_kernel=1", 61918762, 61604648),
        ("reunet --channels 3 --set intermediator=7", 136111978, 135480040),
        ("reunet --channels 3 --set intermediator=9", 139593578, 138936040),
        ("reunet --channels 3 --set intermediator=11", 143075178, 142392040),
        ("reunet --channels 3 --set intermediator=13", 146556778, 145848040),
        # The baselines of the Ken model's table.
        ("resunet --channels 1 --classes 2 --set widths=[64,128,256,512]", 8226178, 8219778),
        ("deeplabv3p --channels 1 --classes 2 --set backbone=xception65", 41252754, 41049954),
        ("pspnet --channels 1 --classes 2 --set stem=plain", 46634818, 46576578),
        ("pspnet --channels 1 --classes 2 --set auxiliary_head=true", 49124932, 49065796),
        ("denseunet --channels 1 --classes 2 --set scale_layers=true", 49961058, 49738306),
    ],
)
def test_a_variant_counts_what_its_source_does(segrepro, arguments, total, trainable):
    shown = segrepro("count", *arguments.split())
    assert shown.out == f"total {total}\ntrainable {trainable}\n"


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ("ken --set up=transposed", 23369538),
        ("ken --set ken_block=false", 18091010),
        ("ken --set ken_branches=full", 41169922),
        ("ken --set dilation=2", 23598082),
        ("ken --set blocks=1", 15233794),
        ("ken --set widths=[8,16,32,64,128,256]", 5937762),
        ("ken --set widths=[2,4,8,16,32,64]", 374922),
        ("resunet --set norm_on_shortcuts=true", 33160578),
    ],
)
def test_a_variant_of_ken_s_table_has_its_total(segrepro, arguments, total):
    shown = segrepro("count", *arguments.split(), "--channels", "1", "--classes", "2")
    assert shown.out.startswith(f"total {total}\n")


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ("norm_after_involution=false", 5909335),
        ("blocks=2", 4647815),
        ("blocks=4", 7770663),
        ("kernel=3", 5950407),
        ("kernel=7", 6130807),
        ("decoder=rib", 5243677),
        ("widths=[64,128,256]", 5858237),
    ],
)
def test_another_reading_of_rdiu_net_has_its_total(segrepro, options, total):
    shown = segrepro("count", "rdiunet", "--channels", "1", "--set", options)
    assert shown.out.startswith(f"total {total}\n")
