"""Masks in the forms in which viewers save them, on a series of three slices of 4 x 5 pixels."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from _dicom_files import SECRETS, STUDY, grey, save
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items

from segrepro.datasets._dicom import Place
from segrepro.datasets._dicom_masks import MaskFile, read_mask
from segrepro.datasets._dicom_series import Series, Slice
from segrepro.errors import UserError

UIDS = [f"{STUDY}.7.{index}" for index in range(3)]
AXES = [1, 0, 0, 0, 1, 0]
BLOCK = [[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
SPOT = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]


@pytest.fixture
def series() -> Series:
    """Three slices from the feet to the head, 2 mm apart; rows 1 mm, columns 0.5 mm apart."""
    place = Place((0, 0, 0), (1, 0, 0), (0, 1, 0))
    slices = tuple(
        Slice(Path(f"1-0{3 - index}.dcm"), uid, place, (1.0, 0.5), (4, 5))
        for index, uid in enumerate(UIDS)
    )
    return Series("Breast_MRI_001, post_1", slices, np.diag([-0.5, -1.0, 2.0, 1.0]))


def read(series: Series, kind: str, path: Path, **given: int) -> np.ndarray:
    """Return the mask with axes slices, rows, columns, as one would draw it."""
    mask = read_mask(MaskFile(kind, path, row=2, **given), series)
    assert mask.shape == (5, 4, 3)
    return mask.transpose(2, 1, 0).astype(int)


def refusal(series: Series, kind: str, path: Path, **given: int) -> str:
    with pytest.raises(UserError) as caught:
        read(series, kind, path, **given)
    message = str(caught.value)
    assert message.startswith(f"the {kind} mask in row 2 of masks.csv")
    assert not any(secret in message for secret in (*SECRETS, path.name))
    return caught.value.fact


def item(**values: object) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(
            dataset,
            name,
            Items(value)
            if isinstance(value, list) and value and isinstance(value[0], Dataset)
            else value,
        )
    return dataset


def refers_to(*uids: str) -> list[Dataset]:
    return [item(ReferencedSOPInstanceUID=uid) for uid in uids]


# DICOM SEG


def segmentation(
    frames: Sequence[tuple[str, list[list[int]]]], segments: Sequence[int] = (1,)
) -> FileDataset:
    stack = np.array([plane for _, plane in frames], np.uint8)
    dataset = grey(stack[0], dtype="u1")
    dataset.SegmentationType, dataset.NumberOfFrames = "BINARY", len(frames)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    bits = np.packbits(stack.ravel(), bitorder="little").tobytes()
    dataset.PixelData = bits + bytes(len(bits) % 2)
    dataset.SegmentSequence = Items([item(SegmentNumber=number) for number in segments])
    axes = item(ImageOrientationPatient=AXES)
    dataset.SharedFunctionalGroupsSequence = Items([item(PlaneOrientationSequence=[axes])])
    dataset.PerFrameFunctionalGroupsSequence = Items(
        item(
            DerivationImageSequence=[item(SourceImageSequence=refers_to(uid))],
            SegmentIdentificationSequence=[
                item(ReferencedSegmentNumber=segments[index % len(segments)])
            ],
        )
        for index, (uid, _) in enumerate(frames)
    )
    return dataset


def test_frames_lie_on_the_slices_they_refer_to_not_in_their_order(
    series: Series, tmp_path: Path
) -> None:
    frames = [(UIDS[2], SPOT), (UIDS[0], BLOCK)]
    mask = read(series, "seg", save(tmp_path / "a.dcm", segmentation(frames)))
    assert mask.tolist() == [BLOCK, np.zeros((4, 5), int).tolist(), SPOT]


def test_frames_of_another_series_are_refused(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", segmentation([(f"{STUDY}.8.1", BLOCK)]))
    assert "does not have" in refusal(series, "seg", path)


def test_frames_that_refer_to_nothing_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = segmentation([(UIDS[0], BLOCK)])
    del dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    assert "which slice" in refusal(series, "seg", save(tmp_path / "a.dcm", dataset))


def test_of_several_segments_one_must_be_named(series: Series, tmp_path: Path) -> None:
    frames = [(UIDS[0], BLOCK), (UIDS[0], SPOT)]
    path = save(tmp_path / "a.dcm", segmentation(frames, segments=(1, 5)))
    assert "2 segments" in refusal(series, "seg", path)
    assert read(series, "seg", path, segment=5)[0].tolist() == SPOT
    assert "no segment 3" in refusal(series, "seg", path, segment=3)


def test_flipped_frames_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = segmentation([(UIDS[0], BLOCK)])
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
    assert "flipped" in refusal(series, "seg", save(tmp_path / "a.dcm", dataset))


def test_frames_of_another_size_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = segmentation([(UIDS[0], [row[:4] for row in BLOCK])])
    assert "4 x 4 pixels" in refusal(series, "seg", save(tmp_path / "a.dcm", dataset))


def test_half_of_the_largest_fraction_is_inside(series: Series, tmp_path: Path) -> None:
    dataset = segmentation([(UIDS[1], BLOCK)])
    dataset.SegmentationType, dataset.MaximumFractionalValue = "FRACTIONAL", 200
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    fractions = np.array(BLOCK, np.uint8) * 100
    fractions[0, 0] = 99
    dataset.PixelData = fractions.tobytes()
    assert read(series, "seg", save(tmp_path / "a.dcm", dataset))[1].tolist() == BLOCK


# Overlay planes


def with_overlay(
    uid: str, bits: list[list[int]], origin: tuple[int, int], group: int = 0x6000
) -> FileDataset:
    dataset = grey(np.zeros((4, 5)), uid=uid)
    plane = np.array(bits, np.uint8)
    packed = np.packbits(plane.ravel(), bitorder="little").tobytes()
    dataset.add_new((group, 0x0010), "US", plane.shape[0])
    dataset.add_new((group, 0x0011), "US", plane.shape[1])
    dataset.add_new((group, 0x0050), "SS", list(origin))
    dataset.add_new((group, 0x0100), "US", 1)
    dataset.add_new((group, 0x3000), "OW", packed + bytes(len(packed) % 2))
    return dataset


@pytest.mark.parametrize("group", [0x6000, 0x601E])
def test_an_overlay_lies_on_its_own_picture(series: Series, tmp_path: Path, group: int) -> None:
    path = save(tmp_path / "a.dcm", with_overlay(UIDS[1], BLOCK, (1, 1), group))
    assert read(series, "overlay", path)[1].tolist() == BLOCK


def test_the_origin_of_an_overlay_counts_from_one(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", with_overlay(UIDS[0], [[1, 1], [1, 1]], (2, 2)))
    assert read(series, "overlay", path)[0].tolist() == BLOCK


def test_an_overlay_that_sticks_out_is_cut_off(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", with_overlay(UIDS[0], [[1, 1], [1, 1]], (0, 5)))
    assert np.argwhere(read(series, "overlay", path)).tolist() == [[0, 0, 4]]


def test_one_overlay_file_for_each_slice_may_lie_in_a_folder(
    series: Series, tmp_path: Path
) -> None:
    save(tmp_path / "z" / "a.dcm", with_overlay(UIDS[2], SPOT, (1, 1)))
    save(tmp_path / "z" / "b.dcm", with_overlay(UIDS[0], BLOCK, (1, 1)))
    mask = read(series, "overlay", tmp_path / "z")
    assert (mask[2].tolist(), mask[0].tolist()) == (SPOT, BLOCK)


def test_two_overlays_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = with_overlay(UIDS[0], BLOCK, (1, 1))
    dataset.update(
        {tag.tag: tag for tag in with_overlay(UIDS[0], SPOT, (1, 1), 0x6002)[0x60020010:]}
    )
    assert "2 overlays" in refusal(series, "overlay", save(tmp_path / "a.dcm", dataset))


def test_an_overlay_that_is_cut_off_is_refused(series: Series, tmp_path: Path) -> None:
    dataset = with_overlay(UIDS[0], BLOCK, (1, 1))
    dataset[0x6000, 0x0010].value = 400
    assert "cut off" in refusal(series, "overlay", save(tmp_path / "a.dcm", dataset))


# Presentation states


def presentation(
    points: list[tuple[float, float]], *, units: str = "PIXEL", uids: Sequence[str] = UIDS[:1]
) -> FileDataset:
    dataset = grey([[0]])
    graphic = item(
        GraphicAnnotationUnits=units,
        GraphicType="POLYLINE",
        GraphicData=[value for point in points for value in point],
    )
    series = item(ReferencedImageSequence=refers_to(*UIDS))
    dataset.ReferencedSeriesSequence = Items([series])
    annotation = item(GraphicObjectSequence=[graphic])
    if uids:
        annotation.ReferencedImageSequence = Items(refers_to(*uids))
    dataset.GraphicAnnotationSequence = Items([annotation])
    return dataset


AROUND_BLOCK = [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0), (1.0, 1.0)]


def test_a_line_in_pixels_begins_at_the_corner_of_the_first_one(
    series: Series, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.dcm", presentation(AROUND_BLOCK))
    mask = read(series, "gsps", path)
    assert mask[0].tolist() == BLOCK
    assert not mask[1:].any()


def test_a_line_without_a_picture_of_its_own_lies_on_all(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", presentation(AROUND_BLOCK, uids=()))
    assert read(series, "gsps", path).tolist() == [BLOCK] * 3


def test_a_line_relative_to_the_display_is_relative_to_its_area(
    series: Series, tmp_path: Path
) -> None:
    # The area is the 4 x 4 pixels without the first column; its corners are named inclusively.
    dataset = presentation(
        [(0.0, 0.25), (0.5, 0.25), (0.5, 0.75), (0.0, 0.75), (0.0, 0.25)], units="DISPLAY"
    )
    area = item(DisplayedAreaTopLeftHandCorner=[2, 1], DisplayedAreaBottomRightHandCorner=[5, 4])
    dataset.DisplayedAreaSelectionSequence = Items([area])
    assert read(series, "gsps", save(tmp_path / "a.dcm", dataset))[0].tolist() == BLOCK


def test_a_flipped_display_is_refused(series: Series, tmp_path: Path) -> None:
    dataset = presentation(AROUND_BLOCK, units="DISPLAY")
    area = item(DisplayedAreaTopLeftHandCorner=[5, 1], DisplayedAreaBottomRightHandCorner=[1, 4])
    dataset.DisplayedAreaSelectionSequence = Items([area])
    assert "flipped" in refusal(series, "gsps", save(tmp_path / "a.dcm", dataset))


def test_an_open_line_is_refused(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", presentation(AROUND_BLOCK[:-1]))
    assert "no closed line" in refusal(series, "gsps", path)


def test_a_text_or_a_circle_is_refused(series: Series, tmp_path: Path) -> None:
    dataset = presentation(AROUND_BLOCK)
    graphic = dataset.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    graphic.GraphicType = "CIRCLE"
    assert "no closed line" in refusal(series, "gsps", save(tmp_path / "a.dcm", dataset))


# Secondary captures


def capture(pixels: object, source: str | None = UIDS[0]) -> FileDataset:
    dataset = grey(pixels, dtype="u1", uid=f"{STUDY}.9")
    if source is not None:
        dataset.SourceImageSequence = Items(refers_to(source))
    return dataset


def test_a_picture_of_two_values_is_a_mask(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", capture(np.array(BLOCK) * 255, UIDS[2]))
    assert read(series, "mask-sc", path)[2].tolist() == BLOCK


def test_a_picture_of_more_values_is_no_mask(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", capture(np.array(BLOCK) * 255 + np.array(SPOT) * 7))
    assert "two values" in refusal(series, "mask-sc", path)


def test_a_capture_that_refers_to_nothing_needs_the_number_of_its_slice(
    series: Series, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.dcm", capture(np.array(BLOCK) * 255, None))
    assert "which slice" in refusal(series, "mask-sc", path)
    # The file of the uppermost slice is called 1-01.dcm.
    assert read(series, "mask-sc", path, slice_number=1)[2].tolist() == BLOCK
    assert "slice 9" in refusal(series, "mask-sc", path, slice_number=9)


def test_a_capture_of_another_size_is_refused(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", capture(np.eye(8)))
    assert "8 x 8 pixels" in refusal(series, "mask-sc", path)


# Burned-in lines

RING = np.array([[1, 1, 1, 1, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [1, 1, 1, 1, 0]]) > 0


def burned(line: np.ndarray, colour: tuple[int, int, int] = (250, 10, 10)) -> FileDataset:
    colours = np.full((*line.shape, 3), 90, np.uint8)
    colours[line] = colour
    dataset = capture(colours[..., 0], UIDS[1])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    dataset.PlanarConfiguration, dataset.PixelData = 0, colours.tobytes()
    return dataset


def test_a_coloured_line_is_filled(series: Series, tmp_path: Path) -> None:
    mask = read(series, "burned-in", save(tmp_path / "a.dcm", burned(RING)))
    assert mask[1].tolist() == [[1, 1, 1, 1, 0]] * 4
    assert not mask[[0, 2]].any()


def test_a_line_that_steps_diagonally_is_closed(series: Series, tmp_path: Path) -> None:
    diamond = np.array([[0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]) > 0
    mask = read(series, "burned-in", save(tmp_path / "a.dcm", burned(diamond)))
    assert mask[1].sum() == 5


def test_a_coloured_line_that_is_open_is_refused(series: Series, tmp_path: Path) -> None:
    line = RING.copy()
    line[0, 1] = False
    path = save(tmp_path / "a.dcm", burned(line))
    assert "not closed" in refusal(series, "burned-in", path)


def test_two_colours_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = burned(RING)
    colours = np.frombuffer(dataset.PixelData, np.uint8).reshape(4, 5, 3).copy()
    colours[3, 4] = (10, 250, 10)
    dataset.PixelData = colours.tobytes()
    assert "one colour" in refusal(series, "burned-in", save(tmp_path / "a.dcm", dataset))


def test_a_grey_copy_has_no_line(series: Series, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", burned(RING, (90, 90, 90)))
    assert "no coloured line" in refusal(series, "burned-in", path)


# NIfTI


@pytest.mark.parametrize("flips", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_a_nifti_mask_is_turned_by_its_affine(
    series: Series, tmp_path: Path, flips: tuple[int, ...]
) -> None:
    mask = np.zeros((5, 4, 3), np.uint8)
    mask[:, :, 2] = np.array(BLOCK).T
    affine = series.affine.copy()
    for axis in flips:
        affine[:, 3] += affine[:, axis] * (mask.shape[axis] - 1)
        affine[:, axis] *= -1
    nib.save(nib.Nifti1Image(np.flip(mask, flips), affine), tmp_path / "a.nii.gz")
    assert read(series, "nifti", tmp_path / "a.nii.gz")[2].tolist() == BLOCK


def test_a_nifti_mask_with_slices_first_is_turned(series: Series, tmp_path: Path) -> None:
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[2] = BLOCK
    nib.save(nib.Nifti1Image(mask, series.affine[:, [2, 1, 0, 3]]), tmp_path / "a.nii")
    assert read(series, "nifti", tmp_path / "a.nii")[2].tolist() == BLOCK


def test_a_nifti_mask_on_another_grid_is_refused(series: Series, tmp_path: Path) -> None:
    affine = series.affine.copy()
    affine[0, 3] += 0.25
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 3), np.uint8), affine), tmp_path / "a.nii")
    assert "another grid" in refusal(series, "nifti", tmp_path / "a.nii")


def test_a_nifti_mask_with_labels_is_refused(series: Series, tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.full((5, 4, 3), 2, np.uint8), series.affine)
    nib.save(image, tmp_path / "a.nii")
    assert "the value 2" in refusal(series, "nifti", tmp_path / "a.nii")


@pytest.mark.parametrize("kind", ["seg", "overlay", "gsps", "mask-sc", "burned-in", "nifti"])
def test_another_file_than_the_kind_says_is_refused(
    series: Series, tmp_path: Path, kind: str
) -> None:
    other = presentation(AROUND_BLOCK) if kind != "gsps" else capture(np.array(BLOCK))
    refusal(series, kind, save(tmp_path / "a.dcm", other))


@pytest.mark.parametrize("kind", ["seg", "nifti"])
def test_a_web_page_is_refused(series: Series, tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.dcm").write_text("<html>404</html>")
    refusal(series, kind, tmp_path / "a.dcm")
