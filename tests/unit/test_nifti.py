"""NIfTI volumes from bytes, against nibabel's own reading, and files that are not what they say."""

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from segrepro.datasets._nifti import read_volume
from segrepro.errors import UserError

AFFINE = np.array([[0, 0, -0.8, 5], [0, -0.8, 0, 6], [-3, 0, 0, 7], [0, 0, 0, 1]], dtype=float)
VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
Bytes = bytearray


def nifti(values: NDArray[np.generic] = VALUES, order: str = "<") -> Bytes:
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    return Bytes(nib.Nifti1Image(values, AFFINE, header).to_bytes())


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_volume(path)
    assert str(path) in caught.value.fact
    assert "\n" not in caught.value.fact
    return caught.value.fact


def assert_as_nibabel_reads(path: Path) -> None:
    ours, theirs = read_volume(path), nib.load(path)
    np.testing.assert_array_equal(ours.values, np.asarray(theirs.dataobj))
    np.testing.assert_array_equal(ours.affine, theirs.affine)
    assert ours.spacing_mm == pytest.approx(theirs.header.get_zooms())


def test_a_plain_file(tmp_path: Path) -> None:
    assert_as_nibabel_reads(saved(tmp_path / "a.nii", nifti()))


def test_a_gzipped_file(tmp_path: Path) -> None:
    assert_as_nibabel_reads(saved(tmp_path / "a.nii.gz", gzip.compress(nifti())))


def test_a_gzipped_file_that_lost_its_ending(tmp_path: Path) -> None:
    volume = read_volume(saved(tmp_path / "a.nii", gzip.compress(nifti())))
    np.testing.assert_array_equal(volume.values, VALUES)


def test_a_big_endian_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", nifti(order=">"))
    assert_as_nibabel_reads(path)
    assert read_volume(path).values.dtype == np.dtype("=i2")


def test_a_scaled_file(tmp_path: Path) -> None:
    content = nifti()
    content[112:120] = struct.pack("<ff", 2.0, -1024.0)  # scl_slope, scl_inter
    path = saved(tmp_path / "a.nii", content)
    assert_as_nibabel_reads(path)
    assert read_volume(path).values[0, 0, 1] == 2 * 1 - 1024


def test_a_slope_of_zero_means_unscaled(tmp_path: Path) -> None:
    content = nifti()
    content[112:120] = struct.pack("<ff", 0.0, 5.0)
    np.testing.assert_array_equal(read_volume(saved(tmp_path / "a.nii", content)).values, VALUES)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_the_stored_type_is_kept(tmp_path: Path, dtype: str) -> None:
    path = saved(tmp_path / "a.nii", nifti(VALUES.astype(dtype)))
    assert read_volume(path).values.dtype == np.dtype(dtype)


def test_a_nifti_2_file(tmp_path: Path) -> None:
    content = nib.Nifti2Image(VALUES, AFFINE).to_bytes()
    assert_as_nibabel_reads(saved(tmp_path / "a.nii", content))


def test_gzip_members_in_a_row(tmp_path: Path) -> None:
    content = nifti()
    parts = (content[:100], content[100:360], content[360:])
    path = saved(tmp_path / "a.nii.gz", b"".join(gzip.compress(part) for part in parts))
    np.testing.assert_array_equal(read_volume(path).values, VALUES)


def test_a_series_of_one_volume_is_a_volume(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", nifti(VALUES[..., np.newaxis]))
    assert read_volume(path).values.shape == VALUES.shape


@pytest.mark.parametrize("kept", [0, 10, 347, 360, -1])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, kept: int) -> None:
    content = bytes(nifti())[:kept]
    refusal(saved(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content))


@pytest.mark.parametrize("kept", [15, 60, -10])
def test_a_truncated_gzip_stream_is_named(tmp_path: Path, kept: int) -> None:
    noise = np.random.default_rng(0).integers(0, 9999, (6, 6, 6)).astype(np.int16)
    refusal(saved(tmp_path / "a.nii.gz", gzip.compress(nifti(noise))[:kept]))


def test_damaged_gzip_data_are_named(tmp_path: Path) -> None:
    content = Bytes(gzip.compress(nifti()))
    content[30] ^= 0xFF
    refusal(saved(tmp_path / "a.nii.gz", content))


def test_a_header_that_asks_for_terabytes_is_refused(tmp_path: Path) -> None:
    content = nifti()
    content[40:56] = struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
    assert "GiB" in refusal(saved(tmp_path / "a.nii.gz", gzip.compress(content)))


def test_more_than_the_header_says_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(nifti()) + bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    np.testing.assert_array_equal(read_volume(saved(tmp_path / "a.nii.gz", bomb)).values, VALUES)


def test_an_affine_that_cannot_be_inverted_is_refused(tmp_path: Path) -> None:
    content = nifti()
    content[280:328] = struct.pack("<12f", *(0.0,) * 12)  # srow_x, srow_y, srow_z
    content[252:256] = struct.pack("<hh", 0, 1)  # qform_code, sform_code
    assert "affine" in refusal(saved(tmp_path / "a.nii", content))


def test_an_affine_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    content = nifti()
    content[280:284] = struct.pack("<f", float("nan"))
    content[252:256] = struct.pack("<hh", 0, 1)
    assert "affine" in refusal(saved(tmp_path / "a.nii", content))


def test_a_flat_image_is_refused(tmp_path: Path) -> None:
    assert "(2, 3)" in refusal(saved(tmp_path / "a.nii", nifti(VALUES[..., 0])))


def test_colours_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "plain number" in refusal(saved(tmp_path / "a.nii", nifti(colours)))


@pytest.mark.parametrize("offset", [1e30, float("inf"), float("nan"), -400.0])
def test_data_that_begin_nowhere_are_refused(tmp_path: Path, offset: float) -> None:
    content = nifti()
    content[108:112] = struct.pack("<f", offset)  # vox_offset
    refusal(saved(tmp_path / "a.nii", content))


def test_a_type_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    content = nifti()
    content[70:72] = struct.pack("<h", 77)  # datatype
    refusal(saved(tmp_path / "a.nii", content))


def test_a_web_page_is_refused(tmp_path: Path) -> None:
    refusal(saved(tmp_path / "a.nii.gz", b"<html>404 not found</html>" * 40))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "a.nii")


def test_a_folder_is_named(tmp_path: Path) -> None:
    refusal(tmp_path)
