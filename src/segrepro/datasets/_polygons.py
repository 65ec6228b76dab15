"""Polygons in pixels: COCO's and VGG's files of them, and the mask they fill.

The formats: COCO "Object detection" (cocodataset.org, format-data) and the JSON export of the
VGG Image Annotator.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pydantic import BaseModel, FiniteFloat, RootModel, ValidationError

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
Polygon = tuple[float, ...]
"""x, y, x, y, ... in pixels; (0, 0) is the outer corner of the first pixel."""
Parsed = TypeVar("Parsed", bound=BaseModel)


@dataclass(frozen=True)
class Outlined:
    """The polygons of one picture."""

    polygons: tuple[Polygon, ...]
    size: tuple[int, int] | None = None
    """Width and height of the picture that they were drawn on, where the file says it."""


class _CocoImage(BaseModel):
    id: int
    width: int
    height: int
    file_name: str


class _CocoAnnotation(BaseModel):
    id: int
    image_id: int
    category_id: int
    segmentation: list[list[FiniteFloat]]


class _CocoCategory(BaseModel):
    id: int
    name: str


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoAnnotation]
    categories: list[_CocoCategory]


class _VggShape(BaseModel):
    name: str
    all_points_x: list[FiniteFloat]
    all_points_y: list[FiniteFloat]


class _VggLabel(BaseModel):
    label: str


class _VggRegion(BaseModel):
    shape_attributes: _VggShape
    region_attributes: _VggLabel


class _VggImage(BaseModel):
    filename: str
    regions: dict[str, _VggRegion]


class _Vgg(RootModel[dict[str, _VggImage]]):
    pass


def read_coco(path: Path, *, category: str) -> dict[str, Outlined]:
    """Return the polygons of each picture in a COCO file, keyed by the picture's file name.

    Parameters
    ----------
    path
        The JSON file.
    category
        The name that every annotation must have. Ids are compared as numbers: 0 is one, too.

    Raises
    ------
    UserError
        If the file is not COCO, or an annotation has another category or no picture.
    """
    coco = _parsed(_Coco, path)
    names = {entry.id: entry.name for entry in coco.categories}
    polygons: dict[int, list[Polygon]] = {image.id: [] for image in coco.images}
    for annotation in coco.annotations:
        if (name := names.get(annotation.category_id)) != category:
            raise UserError(
                f"{path}: annotation {annotation.id} is {name!r}, not {category!r}.", CURE
            )
        if annotation.image_id not in polygons:
            raise UserError(f"{path}: annotation {annotation.id} belongs to no image.", CURE)
        for flat in annotation.segmentation:
            polygons[annotation.image_id].append(
                _polygon(flat, f"annotation {annotation.id}", path)
            )
    file_names = {image.file_name for image in coco.images}
    if not len(file_names) == len(polygons) == len(coco.images):
        raise UserError(f"{path} lists an image twice.", CURE)
    return {
        image.file_name: Outlined(tuple(polygons[image.id]), (image.width, image.height))
        for image in coco.images
    }


def read_vgg(path: Path, *, category: str) -> dict[str, Outlined]:
    """Return the polygons of each picture in a VGG file, keyed by the picture's file name.

    Raises
    ------
    UserError
        If the file is not VGG's, or a region has another shape or label.
    """
    return {
        image.filename: Outlined(
            tuple(
                _vgg_polygon(region, f"a region of {image.filename}", category, path)
                for region in image.regions.values()
            )
        )
        for image in _parsed(_Vgg, path).root.values()
    }


def _vgg_polygon(region: _VggRegion, what: str, category: str, path: Path) -> Polygon:
    shape, label = region.shape_attributes, region.region_attributes.label
    if shape.name != "polygon" or label != category:
        raise UserError(f"{path}: {what} is {label!r}, a {shape.name}.", CURE)
    if len(shape.all_points_x) != len(shape.all_points_y):
        raise UserError(f"{path}: {what} has not as many x as y.", CURE)
    points = zip(shape.all_points_x, shape.all_points_y, strict=True)
    return _polygon([value for point in points for value in point], what, path)


def _polygon(flat: list[float], what: str, path: Path) -> Polygon:
    if len(flat) < 6 or len(flat) % 2:
        raise UserError(f"{path}: {what} has {len(flat)} numbers, no polygon.", CURE)
    return tuple(flat)


def _parsed(model: type[Parsed], path: Path) -> Parsed:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", CURE) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: {where}: {first['msg'].lower()}.", CURE) from error


def filled(
    polygons: Sequence[Polygon], *, height: int, width: int, path: Path
) -> NDArray[np.uint8]:
    """Return 1 inside any of the polygons and 0 elsewhere, shape (H, W).

    The rule is that of the format's owner (pycocotools); what lies outside the picture is cut off.

    Raises
    ------
    UserError
        If a polygon lies further away than the picture is large; `path` is for the message.
    """
    for polygon in polygons:
        for values, side in ((polygon[::2], width), (polygon[1::2], height)):
            if min(values) < -side or max(values) > 2 * side:
                raise UserError(f"a polygon of {path} lies far outside its picture.", CURE)
    if not polygons:
        return np.zeros((height, width), dtype=np.uint8)
    runs = coco_mask.frPyObjects([list(polygon) for polygon in polygons], height, width)
    with warnings.catch_warnings():
        # pycocotools' array does not know NumPy 2's `copy`.
        warnings.simplefilter("ignore", DeprecationWarning)
        mask = coco_mask.decode(coco_mask.merge(runs))
    return np.ascontiguousarray(mask, dtype=np.uint8)
