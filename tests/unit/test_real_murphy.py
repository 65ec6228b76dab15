"""Published Murphy-lab images, where a reader has them: ten images and one hand-drawn xcf."""

import os
from pathlib import Path

import numpy as np
import pytest
from gimpformats.gimpXcfDocument import GimpDocument
from PIL import Image
from scipy import ndimage

from segrepro.datasets import murphy
from segrepro.datasets._types import Case
from segrepro.datasets._xcf import flattened

ROOT = Path(__file__).parents[2]
RAW = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data")) / "murphy"
XCF = RAW / murphy.OUTLINES / "gnf/dna-40.xcf"

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not RAW.is_dir(), reason="no murphy/ in SEGREPRO_REAL_DATA: the real images are absent"
    ),
]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(murphy.iter_cases(RAW))


def test_nine_images_have_a_mask_and_the_blank_one_is_left_out(cases: list[Case]) -> None:
    assert len(cases) == 9
    remarked = [remark.path for remark in murphy.list_cases(RAW).remarks]
    assert remarked[0] == f"{murphy.IMAGES}/gnf/dna-31.png"


def test_the_xcf_gives_the_publishers_label_image() -> None:
    labels = murphy.nuclei(flattened(XCF.read_bytes(), XCF))
    published = np.array(Image.open(RAW / murphy.LABELS / "gnf/dna-40.png"))
    ours, theirs = labels > 0, published > 0
    assert (ours & theirs).sum() == (ours | theirs).sum()
    assert labels.max() == len(np.unique(published[theirs]))


def test_the_xcf_alone_gives_the_same_case(cases: list[Case], tmp_path: Path) -> None:
    for folder, name in ((murphy.IMAGES, "dna-40.png"), (murphy.OUTLINES, "dna-40.xcf")):
        (tmp_path / folder / "gnf").mkdir(parents=True)
        (tmp_path / folder / "gnf" / name).symlink_to(RAW / folder / "gnf" / name)
    (alone,) = murphy.iter_cases(tmp_path)
    both = next(case for case in cases if case.case_id == alone.case_id)
    np.testing.assert_array_equal(alone.mask, both.mask)


def test_another_reader_sees_the_same_layers() -> None:
    document = GimpDocument(str(XCF))
    borders, background = (layer.image for layer in document._layers)
    theirs = Image.new("RGB", background.size)
    theirs.paste(background.convert("RGB"))
    theirs.paste(borders.convert("RGB"), mask=borders.getchannel("A"))
    np.testing.assert_array_equal(flattened(XCF.read_bytes(), XCF), np.array(theirs))


def test_nuclei_are_brighter_and_cover_12_to_35_percent(cases: list[Case]) -> None:
    for case in cases:
        assert 0.12 < case.mask.mean() < 0.35
        image = ndimage.gaussian_filter(case.channels[0].astype(float), 2)
        assert image[case.mask == 1].mean() > image[case.mask == 0].mean() + 2
