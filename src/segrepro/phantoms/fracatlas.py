"""Synthetic radiographs of limbs in the layout of FracAtlas: bones, some of them broken.

The publisher's boxes (YOLO, PASCAL VOC) are not written; masks never come from them.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segrepro.files import write_bytes, write_text
from segrepro.phantoms._textures import (
    Field,
    as_bytes,
    pixel_centres,
    smooth_noise,
    soft_step,
)
from segrepro.progress import progress

PORTRAIT = (454, 373)  # rows, columns; the most common size
ORIENTATION_TAG = 274
BACK_TURNS = {  # what the file stores, so that a viewer who obeys the tag sees it upright
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
TURNED = {1: 8, 3: 3, 4: 6}
"""Number of a case modulo 7, and its EXIF orientation."""
HEADER = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,"
    "frontal,lateral,oblique\n"
)
Outline = list[tuple[float, float]]


@dataclass(frozen=True)
class _Radiograph:
    name: str
    content: bytes
    size: tuple[int, int]
    """Width and height when upright."""
    outlines: list[Outline]

    @property
    def path(self) -> str:
        folder = "Fractured" if self.outlines else "Non_fractured"
        return f"images/{folder}/{self.name}"


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write ``images/``, the COCO and VGG outlines, the official split and ``dataset.csv``.

    Of seven radiographs, two are stored turned with fractures and one without, one is not
    fractured, one is an exact copy of the one before it. Two more, not fractured, are broken: one
    is truncated, one is followed by other bytes.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Whole radiographs, fractured or not.
    seed
        Equal seeds give equal bytes.
    """
    made: list[_Radiograph] = []
    for number in progress(range(cases), total=cases, what="phantom fracatlas"):
        name = f"IMG{19 + 3 * number:07d}.jpg"
        if number % 7 == 6:
            made.append(_Radiograph(name, made[-1].content, made[-1].size, made[-1].outlines))
        else:
            made.append(_radiograph(number, name, np.random.default_rng([seed, number])))
        write_bytes(raw / made[-1].path, made[-1].content)
    _write_broken(raw, np.random.default_rng([seed, cases, 1]))
    fractured = [radiograph for radiograph in made if radiograph.outlines]
    write_text(raw / "Annotations/COCO JSON/COCO_fracture_masks.json", json.dumps(_coco(fractured)))
    write_text(raw / "Annotations/VGG JSON/VGG_fracture_masks.json", json.dumps(_vgg(fractured)))
    _write_split(raw / "Utilities/Fracture Split", [radiograph.name for radiograph in fractured])
    _write_dataset(raw / "dataset.csv", made)


def _radiograph(number: int, name: str, rng: np.random.Generator) -> _Radiograph:
    whole = number % 7 == 4
    shape = PORTRAIT if number % 3 else PORTRAIT[::-1]
    grey, outlines = limb(shape, breaks=0 if whole else 1 + int(number % 5 == 2), rng=rng)
    picture = Image.fromarray(grey)
    if number % 4:
        picture = picture.convert("RGB")
    return _Radiograph(
        name, _jpeg(picture, TURNED.get(number % 7, 1)), (shape[1], shape[0]), outlines
    )


def _jpeg(picture: Image.Image, orientation: int) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation != 1:
        picture = picture.transpose(BACK_TURNS[orientation])
        exif[ORIENTATION_TAG] = orientation
    picture.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()


def _write_broken(raw: Path, rng: np.random.Generator) -> None:
    content = _jpeg(Image.fromarray(limb(PORTRAIT, breaks=0, rng=rng)[0]), 1)
    folder = raw / "images/Non_fractured"
    write_bytes(folder / "IMG0004028.jpg", content[:-900])
    write_bytes(folder / "IMG0004027.jpg", content + bytes(1322))


def limb(
    shape: tuple[int, int], *, breaks: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Outline]]:
    """Return a radiograph of a limb with two bones, and the outlines of its fractures.

    Parameters
    ----------
    shape
        Rows and columns.
    breaks
        How many of the two bones are broken.
    """
    height, width = shape
    x, y = pixel_centres(shape)
    centre = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.45, 0.55))
    angle = np.pi / 2 * (height > width) + rng.uniform(-0.3, 0.3)
    along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    across = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
    bend = rng.uniform(-4e-4, 4e-4)
    across = across + bend * along**2
    thick = 52 + 10 * np.cos(along / 90)
    flesh = soft_step(thick - np.abs(across), 16)
    grey = 26 + 62 * flesh * np.sqrt(np.clip(1 - (across / (thick + 9)) ** 2, 0, 1))
    outlines = []
    for bone, offset in enumerate((-17.0, 19.0)):
        half = rng.uniform(9, 12)
        middle = offset * (1 + along / 900)
        at = rng.uniform(-0.3, 0.3) * max(shape) if bone < breaks else None
        grey += flesh * _bone(along, across - middle, half=half, at=at, rng=rng)
        if at is not None:
            outline = _outline(at, offset * (1 + at / 900) - bend * at**2, half, rng)
            outlines.append(_placed(outline, centre, angle, shape))
    grey += 5 * smooth_noise(shape, 40, rng) + 2.5 * smooth_noise(shape, 1.2, rng)
    return as_bytes(grey), outlines


def _bone(
    along: Field, across: Field, *, half: float, at: float | None, rng: np.random.Generator
) -> Field:
    """Return the brightness of a bone: two bright walls, marrow between; broken at `at`."""
    gap = np.zeros_like(along)
    if at is not None:
        teeth = 3 * np.sin(across * rng.uniform(0.5, 0.9) + rng.uniform(0, 6))
        beyond = along - at - rng.uniform(-0.5, 0.5) * across - teeth
        across = across - rng.choice([-1, 1]) * rng.uniform(3, 6) * (beyond > 0)
        gap = np.exp(-((beyond / 3.2) ** 2))
    wall = np.exp(-(((np.abs(across) - half + 3) / 2.6) ** 2))
    inside = soft_step(half - np.abs(across), 3)
    return np.asarray((44 * inside + 52 * wall) * (1 - 0.9 * gap), dtype=np.float32)


def _outline(at: float, middle: float, half: float, rng: np.random.Generator) -> Outline:
    """Return eight points round a break, along and across the limb."""
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False) + rng.uniform(-0.2, 0.2, 8)
    length, width = rng.uniform(13, 20), half + rng.uniform(4, 7)
    return [(at + length * np.cos(turn), middle + width * np.sin(turn)) for turn in turns]


def _placed(
    outline: Outline, centre: tuple[float, float], angle: float, shape: tuple[int, int]
) -> Outline:
    """Return an outline in pixels; as published, it may end a rounding error past the border."""
    points = []
    for along, across in outline:
        x = centre[0] + along * np.cos(angle) - across * np.sin(angle)
        y = centre[1] + along * np.sin(angle) + across * np.cos(angle)
        most_x, most_y = shape[1] * (1 + 1e-15), shape[0] * (1 + 1e-15)
        points.append((float(np.clip(x, 0, most_x)), float(np.clip(y, 0, most_y))))
    return points


def _coco(fractured: list[_Radiograph]) -> dict[str, object]:
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, radiograph in enumerate(fractured, start=1):
        width, height = radiograph.size
        images.append(
            {"id": image_id, "width": width, "height": height, "file_name": radiograph.name}
        )
        for outline in radiograph.outlines:
            left, top = (min(values) for values in zip(*outline, strict=True))
            right, bottom = (max(values) for values in zip(*outline, strict=True))
            annotations.append(
                {
                    "id": len(annotations),
                    "iscrowd": 0,
                    "image_id": image_id,
                    "category_id": 0,
                    "segmentation": [[value for point in outline for value in point]],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": _area(outline),
                }
            )
    return {
        "info": {"description": "my-project-name"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 0, "name": "fractured"}],
    }


def _area(outline: Outline) -> float:
    pairs = zip(outline, outline[1:] + outline[:1], strict=True)
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairs)) / 2


def _vgg(fractured: list[_Radiograph]) -> dict[str, object]:
    return {
        radiograph.name: {
            "fileref": "",
            "size": len(radiograph.content),
            "filename": radiograph.name,
            "base64_img_data": "",
            "file_attributes": {},
            "regions": {
                str(number): {
                    "shape_attributes": {
                        "name": "polygon",
                        "all_points_x": [x for x, _ in [*outline, outline[0]]],
                        "all_points_y": [y for _, y in [*outline, outline[0]]],
                    },
                    "region_attributes": {"label": "fractured"},
                }
                for number, outline in enumerate(radiograph.outlines)
            },
        }
        for radiograph in fractured
    }


def _write_split(folder: Path, names: list[str]) -> None:
    """Deal one image in eight each to validation and test, about as the publisher does."""
    subsets: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for number, name in enumerate(names):
        subsets[{3: "valid", 5: "test"}.get(number % 8, "train")].append(name)
    for subset, chosen in subsets.items():
        write_text(folder / f"{subset}.csv", "\n".join(["image_id", *chosen]) + "\n")


def _write_dataset(path: Path, made: list[_Radiograph]) -> None:
    rows = [
        f"{radiograph.name},1,0,0,0,0,0,0,{int(count > 0)},{count},1,0,0\n"
        for radiograph in made
        for count in [len(radiograph.outlines)]
    ]
    write_text(path, HEADER + "".join(rows))
