"""What `segrepro count` prints of the transformer and state-space baselines, as their codes count.

None of them learns more than it keeps but TransUNet, whose decoder has batch normalisation.
"""

import pytest

TRANSUNET_STATISTICS = 2 * (512 + 2 * (256 + 128 + 64 + 16))


@pytest.mark.parametrize(("channels", "classes"), [(3, 1), (1, 1), (3, 4), (1, 4)])
@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        ("transunet", (105322001, 105322001, 105322436, 105322436)),
        ("transunet --set image_size=224", (105275921, 105275921, 105276356, 105276356)),
        ("swinunet", (27175524, 27172452, 27175812, 27172740)),
        (
            "swinunet --set image_size=224 --set window=7",
            (27168132, 27165060, 27168420, 27165348),
        ),
        ("mambaunet", (19121376, 19118304, 19121664, 19118592)),
        ("mambaunet --set depths=[2,2,9,2]", (35862240, 35859168, 35862528, 35859456)),
        ("vmunet", (27427561, 27424489, 27427636, 27424564)),
        (
            "vmunet --set depths=[2,2,9,2] --set decoder_depths=[2,9,2,2]",
            (44273833, 44270761, 44273908, 44270836),
        ),
    ],
)
def test_a_baseline_counts_what_its_code_does(segrepro, arguments, counts, channels, classes):
    trainable = dict(zip([(3, 1), (1, 1), (3, 4), (1, 4)], counts, strict=True))[channels, classes]
    kept = TRANSUNET_STATISTICS if arguments.startswith("transunet") else 0
    shown = segrepro(
        "count", *arguments.split(), "--channels", str(channels), "--classes", str(classes)
    )
    assert shown.out == f"total {trainable + kept}\ntrainable {trainable}\n"


def test_swin_unet_as_u_bench_builds_it(segrepro):
    arguments = "count swinunet --set image_size=224 --set window=7 --set depths=[2,2,6,2]"
    shown = segrepro(*arguments.split(), "--channels", "3")
    assert shown.out.endswith("trainable 41380068\n")


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ("swinunet --set window=7", "images of 256x256 cannot be divided into windows of 7x7"),
        ("transunet --set image_size=250", "images of 250x250 cannot be divided into tokens"),
        ("vmunet --set pretrained=nowhere.pth", "no weights at nowhere.pth"),
        ("mambaunet --set decoder_depths=[2,2,2,1]", "option 'decoder_depths': extra inputs"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_in_two_lines(segrepro, arguments, fact):
    shown = segrepro("count", *arguments.split(), "--channels", "3")
    assert shown.code == 2
    assert fact in shown.err
    assert len(shown.err.strip().splitlines()) == 2
