"""A DICOM SEG whose frames run against the order of the files, where a reader has it."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from segrepro.datasets._dicom_masks import MaskFile, read_mask
from segrepro.datasets._dicom_series import Series, read_series, read_values

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data")) / "dicom_seg"
LIVER = REAL / "liver.dcm"

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not LIVER.is_file(), reason="no dicom_seg/ in SEGREPRO_REAL_DATA: the sample is absent"
    ),
]


@pytest.fixture(scope="module")
def series() -> Series:
    folder = REAL / "ct-3slice"
    uid = str(pydicom.dcmread(folder / "01.dcm", stop_before_pixels=True).SeriesInstanceUID)
    return read_series(folder, uid=uid, what="the sample")


def test_slices_are_sorted_from_the_feet_to_the_head(series: Series) -> None:
    assert [piece.path.name for piece in series.slices] == ["03.dcm", "02.dcm", "01.dcm"]
    assert series.spacing_mm == pytest.approx((0.810547, 0.810547, 1.0))
    # The file says (-235.2, -226.8, -128.7) in LPS; an affine is RAS.
    np.testing.assert_allclose(series.affine[:3, 3], [235.2, 226.8, -128.69], atol=1e-3)


def test_values_are_hounsfield_units(series: Series) -> None:
    values = read_values(series)
    stored = pydicom.dcmread(REAL / "ct-3slice" / "03.dcm").pixel_array
    np.testing.assert_array_equal(values[..., 0], stored.T.astype(int) - 1024)


def test_each_frame_lands_on_the_slice_it_refers_to(series: Series) -> None:
    mask = read_mask(MaskFile("seg", LIVER, row=2), series)
    frames = pydicom.dcmread(LIVER).pixel_array > 0
    # Frames 0, 1, 2 refer to the files 03, 02, 01, which lie from the feet to the head.
    for index in range(3):
        np.testing.assert_array_equal(mask[..., index], frames[index].T)
    assert not np.array_equal(frames[0], frames[2])


def test_the_segment_is_as_bright_as_a_liver(series: Series) -> None:
    liver = read_mask(MaskFile("seg", LIVER, row=2), series)
    assert 20 < np.median(read_values(series)[liver]) < 150
