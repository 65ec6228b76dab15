"""What every data set promises, tried on its phantom: no list here, the folder is the list."""

import math
import socket
from pathlib import Path

import numpy as np
import pytest

from segrepro import datasets, phantoms
from segrepro.cases.convert import convert
from segrepro.cases.raw import complete_layout, phantom
from segrepro.cases.read import load_case, read_cases
from segrepro.datasets._protocols import DatasetModule
from segrepro.datasets._types import Case
from segrepro.protocol.stages import PhantomStage

CASES = 7


@pytest.fixture(scope="module", params=datasets.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def module(name: str) -> DatasetModule:
    return datasets.load(name)


@pytest.fixture(scope="module")
def raw(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name) / "raw"
    part = PhantomStage(dataset=name, cases=CASES, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", _no_network)
        phantom(part, raw=folder, manifest=folder.parent / "manifest.csv")
    return folder


@pytest.fixture(scope="module")
def cases(module: DatasetModule, raw: Path) -> list[Case]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", _no_network)
        return list(module.iter_cases(raw))


def _no_network(*_: object, **__: object) -> None:
    raise AssertionError("data sets are read without a network")


def converted(name: str, raw: Path, out: Path) -> dict[str, bytes]:
    convert(f"{name}-phantom", raw=raw, manifest=raw.parent / "manifest.csv", out=out)
    files = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_it_has_a_phantom(name: str) -> None:
    assert name in phantoms.names()


def test_the_phantom_has_the_published_layout_and_nothing_else(
    module: DatasetModule, raw: Path
) -> None:
    layout = complete_layout(module, raw)
    assert layout is module.LAYOUTS[0]
    patterns = layout.required + layout.optional
    known = {path for pattern in patterns for path in raw.glob(pattern)}
    # Publishers ship hidden files, too; nothing reads them.
    assert {path for path in raw.rglob("[!.]*") if path.is_file()} <= known


def test_every_source_can_be_had_and_is_pinned_or_says_why_not(module: DatasetModule) -> None:
    layout = module.LAYOUTS[0]
    for source in module.SOURCES:
        matches = [Path(source.path).match(p) for p in layout.required + layout.optional]
        assert any(matches) or source.unpack_to is not None, source.path
        assert source.url or source.how or source.reference, f"{source.path}: say how to get it"
        assert not source.url or source.sha256 or source.unpinned, f"{source.path}: pin it"
        assert source.client == "http" or source.reference, f"{source.path}: what to ask for"


def test_what_is_expected_of_a_copy_is_said(module: DatasetModule) -> None:
    assert module.LAYOUTS[0].expected_files
    for layout in module.LAYOUTS:
        assert all(count > 0 for count in layout.expected_files.values())


def test_the_card_is_filled_in(module: DatasetModule) -> None:
    card = module.CARD
    for text in (card.title, card.licence, card.terms, card.citation, card.modality):
        assert text.strip()
    assert card.url.startswith("https://")
    assert card.expected_cases >= card.expected_groups >= 1
    assert len(set(card.classes)) == len(card.classes) >= 1


def test_it_yields_the_cases_that_were_asked_for(cases: list[Case]) -> None:
    assert len(cases) == CASES


def test_ids_are_unique(cases: list[Case]) -> None:
    assert len({case.case_id for case in cases}) == CASES


def test_the_order_is_stable(module: DatasetModule, raw: Path, cases: list[Case]) -> None:
    again = [case.case_id for case in module.iter_cases(raw)]
    assert again == [case.case_id for case in cases]


def test_groups_are_known_and_there_is_more_than_one(cases: list[Case]) -> None:
    groups = {case.group_id for case in cases}
    assert all(groups)
    assert len(groups) > 1


def test_channels_and_mask_share_one_grid(module: DatasetModule, cases: list[Case]) -> None:
    for case in cases:
        assert case.channels.shape == (len(module.CARD.channels), *case.mask.shape)


def test_spacing_is_positive_on_every_axis(cases: list[Case]) -> None:
    for case in cases:
        assert len(case.spacing_mm) == case.mask.ndim
        assert all(step > 0 and math.isfinite(step) for step in case.spacing_mm)


def test_every_class_occurs_and_no_other_label(module: DatasetModule, cases: list[Case]) -> None:
    labels = set(np.unique(np.concatenate([np.unique(case.mask) for case in cases])))
    assert labels - {0} == set(range(1, len(module.CARD.classes) + 1))


def test_converting_twice_gives_the_same_bytes(name: str, raw: Path, tmp_path: Path) -> None:
    assert converted(name, raw, tmp_path / "a") == converted(name, raw, tmp_path / "b")


def test_what_was_converted_is_what_was_read(
    name: str, raw: Path, cases: list[Case], tmp_path: Path
) -> None:
    converted(name, raw, tmp_path)
    for case, row in zip(cases, read_cases(tmp_path / "cases.csv"), strict=True):
        loaded = load_case(tmp_path, row)
        np.testing.assert_array_equal(np.stack(loaded.channels), case.channels)
        assert loaded.channels[0].dtype == case.channels.dtype
        np.testing.assert_array_equal(loaded.mask, case.mask)
        if case.affine is not None and loaded.affine is not None:
            np.testing.assert_allclose(loaded.affine, case.affine, atol=1e-4)
        assert (loaded.affine is None) == (case.affine is None)
        assert (row.case_id, row.group_id) == (case.case_id, case.group_id)
        assert row.spacing_mm == pytest.approx(case.spacing_mm)


def test_another_seed_gives_other_images(name: str, raw: Path, tmp_path: Path) -> None:
    part = PhantomStage(dataset=name, cases=1, seed=1)
    phantom(part, raw=tmp_path / "raw", manifest=tmp_path / "manifest.csv")
    first = sorted((tmp_path / "raw").rglob("*"))
    assert any(
        path.read_bytes() != (raw / path.relative_to(tmp_path / "raw")).read_bytes()
        for path in first
        if path.is_file() and (raw / path.relative_to(tmp_path / "raw")).is_file()
    )
