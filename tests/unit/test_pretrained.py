"""Networks begin with published weights where these fit, say so, and run no code of a file."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from _published_weights import swin, vit, vmamba
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models import _pretrained, _pretrained_vit

WIDTH = 8
HEADS = (1, 2, 4, 8)
VIT = {"stem": 32, "hidden": 384, "units": (1, 2, 1), "layers": 2}
OPTIONS: dict[str, dict[str, object]] = {
    "swinunet": {"width": WIDTH, "heads": HEADS, "image_size": 224, "window": 7},
    "mambaunet": {"width": WIDTH},
    "vmunet": {"width": WIDTH},
    "transunet": {"width_factor": 1 / 2, "units": (1, 2, 1), "layers": 2, "image_size": 224},
}
PUBLISHED = {"swinunet": swin, "mambaunet": vmamba, "vmunet": vmamba}
mirrored = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture(autouse=True)
def _a_fixed_seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def published(name: str) -> dict[str, Tensor]:
    return PUBLISHED[name](WIDTH)


def begun(name: str, path: Path, *, channels: int = 3, **options: object) -> dict[str, Tensor]:
    """Return the weights of a network that began with a file."""
    options = {**OPTIONS[name], "pretrained": path, **options}
    return models.build(name, channels=channels, classes=1, **options).state_dict()


def saved(tensors: dict[str, Tensor], folder: Path, name: str = "weights.pth") -> Path:
    path = folder / name
    if path.suffix == ".npz":
        np.savez(path, **{key: tensor.numpy() for key, tensor in tensors.items()})
    elif path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save({"model": tensors}, path)
    return path


@mirrored
def test_the_encoder_begins_with_every_tensor_of_its_own_names(name: str, tmp_path: Path) -> None:
    stored = published(name)
    weights = begun(name, saved(stored, tmp_path))
    encoder = [key for key in weights if key.startswith(("patch_embed.", "layers.", "norm."))]
    assert len(encoder) > 50
    assert all(torch.equal(weights[key], stored[key]) for key in encoder)


@mirrored
def test_the_decoders_blocks_begin_with_those_of_the_encoders_stage_of_their_width(
    name: str, tmp_path: Path
) -> None:
    stored = published(name)
    weights = begun(name, saved(stored, tmp_path))
    blocks = [key for key in weights if key.startswith("layers_up.") and ".blocks." in key]
    # VM-UNet's decoder has a stage at the coarsest level too, the others only expand there.
    assert {key.split(".")[1] for key in blocks} == set("0123" if name == "vmunet" else "123")
    for key in blocks:
        stage = key.split(".")[1]
        source = key.replace(f"layers_up.{stage}", f"layers.{3 - int(stage)}")
        assert torch.equal(weights[key], stored[source])


@mirrored
def test_what_is_in_no_classifier_is_drawn_at_random_and_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = begun(name, saved(published(name), tmp_path))
    up = "final_up" if name == "vmunet" else "up"
    assert weights[f"{up}.expand.weight"].std().item() == pytest.approx(0.02, rel=0.1)
    report = capsys.readouterr().err
    loaded = sum(key.startswith(("patch_embed.", "layers.", "norm.")) for key in weights)
    loaded += sum(key.startswith("layers_up.") and ".blocks." in key for key in weights)
    assert f"weights.pth: loaded {loaded} of the network's {len(weights)} tensors;" in report
    assert f"drawn at random: {len(weights) - loaded} (layers_up." in report
    assert "unused in the file: " in report
    assert report.count("\n") == 1


def test_one_channel_begins_with_the_sum_over_the_colours(tmp_path: Path) -> None:
    stored = published("vmunet")
    weights = begun("vmunet", saved(stored, tmp_path), channels=1)
    expected = stored["patch_embed.proj.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(weights["patch_embed.proj.weight"], expected)


def test_four_channels_are_refused_for_there_are_no_weights_for_the_fourth(tmp_path: Path) -> None:
    path = saved(published("vmunet"), tmp_path)
    with pytest.raises(UserError, match=r"shape \(8, 3, 4, 4\) instead of \(8, 4, 4, 4\)"):
        begun("vmunet", path, channels=4)


def test_position_biases_of_another_window_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(published("swinunet"), tmp_path)
    weights = begun("swinunet", path, image_size=256, window=8)
    tables = [key for key in weights if key.endswith("relative_position_bias_table")]
    assert all(weights[key].shape[0] == 225 for key in tables)
    assert "drawn at random: " in (report := capsys.readouterr().err)
    assert "layers.0.blocks.0.attn.relative_position_bias_table" in report


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_other_kinds_of_file_give_the_same(suffix: str, tmp_path: Path) -> None:
    stored = published("mambaunet")
    first = begun("mambaunet", saved(stored, tmp_path))
    other = begun("mambaunet", saved(stored, tmp_path, f"weights{suffix}"))
    assert all(torch.equal(first[key], other[key]) for key in first if "blocks" in key)


def test_weights_by_themselves_and_as_a_state_dict_are_found(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2)}
    for content in (tensors, {"state_dict": tensors, "epoch": 3}, {"model": tensors}):
        torch.save(content, tmp_path / "weights.pth")
        assert torch.equal(_pretrained.read(tmp_path / "weights.pth")["a"], torch.ones(2))


def test_a_file_of_a_narrower_network_is_refused(tmp_path: Path) -> None:
    path = saved(vmamba(4), tmp_path)
    with pytest.raises(UserError, match=r"weights\.pth does not fit: .* shape") as refusal:
        begun("vmunet", path)
    assert "docs/guide/models.md" in refusal.value.cure


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path = saved(swin(WIDTH), tmp_path)
    with pytest.raises(UserError, match=r"it lacks 'layers\.0\.blocks\.0\.ln_1\.weight'"):
        begun("vmunet", path)


def test_a_file_of_a_shallower_encoder_is_refused(tmp_path: Path) -> None:
    path = saved(published("mambaunet"), tmp_path)
    with pytest.raises(UserError, match=r"it lacks 'layers\.1\.blocks\.2\.ln_1\.weight'"):
        begun("mambaunet", path, depths=(2, 3, 2, 2))


@pytest.mark.parametrize("broken", [torch.full((8,), torch.nan), torch.ones(8, dtype=torch.int64)])
def test_what_are_no_finite_numbers_is_refused(broken: Tensor, tmp_path: Path) -> None:
    path = saved({**published("vmunet"), "patch_embed.norm.bias": broken}, tmp_path)
    with pytest.raises(UserError, match=r"'patch_embed\.norm\.bias' would not be finite numbers"):
        begun("vmunet", path)


def test_a_refused_file_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    chosen = {"weight": torch.ones(1, 2), "bias": torch.ones(3)}
    with pytest.raises(UserError, match="'bias' would have shape"):
        _pretrained.put(network, chosen, path=tmp_path / "weights.pth", unused=[])
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_names_of_a_file_reach_the_terminal_as_plain_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = ["\x1b[2Jhead\nerror: all is lost", "x" * 10_000]
    _pretrained.put(nn.Linear(1, 1), {}, path=tmp_path / "weights.pth", unused=unused)
    report = capsys.readouterr().err
    assert report.count("\n") == 1
    assert "\x1b" not in report
    assert len(report) < 400


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def broken_files() -> dict[str, bytes]:
    return {
        "pickle.pth": pickle.dumps({"model": Bomb()}),
        "text.pth": b"<html>404</html>",
        "empty.pth": b"",
        "list.pth": pickle.dumps([1, 2]),
        "text.npz": b"<html>404</html>",
        "empty.safetensors": b"",
        "text.safetensors": b"<html>404</html>",
        "weights.h5": b"\x89HDF",
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_damaged_or_hostile_file_is_refused_and_nothing_is_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(broken_files()[name])
    with pytest.raises(UserError) as refusal:
        _pretrained.read(path)
    assert name in refusal.value.fact
    assert "\n" not in refusal.value.fact + refusal.value.cure
    assert sorted(tmp_path.iterdir()) == [path]


def test_objects_in_an_npz_and_beside_tensors_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("bomb.npz", weights=np.array([Bomb()], dtype=object))
    torch.save({"model": {"a": torch.ones(1)}, "config": Bomb()}, "bomb.pth")
    for name in ("bomb.npz", "bomb.pth"):
        with pytest.raises(UserError, match="cannot be read as weights and nothing else"):
            _pretrained.read(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    for name in ("weights.pth", "weights.npz", "weights.safetensors"):
        path = saved(published("vmunet"), tmp_path, name)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(UserError, match="cannot be read"):
            _pretrained.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no weights at .*nowhere\.npz"):
        begun("transunet", tmp_path / "nowhere.npz")


@pytest.fixture(scope="module")
def flax() -> dict[str, Tensor]:
    return vit(**VIT)


def test_transunet_begins_with_every_array_of_its_encoder(
    flax: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "R50+ViT-B_16.npz"))
    report = capsys.readouterr().err
    encoder = [key for key in weights if key.startswith("transformer.")]
    assert f"R50+ViT-B_16.npz: loaded {len(encoder)} of the network's" in report
    # Each of them from an array of its own: all but the class's token and the two heads.
    assert len(encoder) == len(flax) - 3
    assert "unused in the file: 3 (cls, pre_logits/kernel, head/kernel)" in report
    assert "drawn at random: " in report
    assert "(decoder.conv_more.0.weight, " in report


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("embeddings.hybrid_model.root.conv.weight", "conv_root/kernel"),
        ("embeddings.hybrid_model.body.block2.unit1.conv2.weight", "block2/unit1/conv2/kernel"),
        ("embeddings.hybrid_model.body.block2.unit2.conv1.weight", "block2/unit2/conv1/kernel"),
        ("embeddings.hybrid_model.body.block3.unit1.downsample.weight",
         "block3/unit1/conv_proj/kernel"),
        ("embeddings.patch_embeddings.weight", "embedding/kernel"),
    ],
)  # fmt: skip
def test_kernels_turn_from_rows_columns_in_out(
    ours: str, theirs: str, flax: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "weights.npz"))
    assert torch.equal(weights[f"transformer.{ours}"], flax[theirs].permute(3, 2, 0, 1))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("embeddings.hybrid_model.root.gn.weight", "gn_root/scale"),
        ("embeddings.hybrid_model.body.block1.unit1.gn3.weight", "block1/unit1/gn3/scale"),
        ("embeddings.hybrid_model.body.block1.unit1.gn_proj.bias", "block1/unit1/gn_proj/bias"),
        ("embeddings.patch_embeddings.bias", "embedding/bias"),
        ("encoder.encoder_norm.weight", "Transformer/encoder_norm/scale"),
        ("encoder.layer.1.attention_norm.weight", "Transformer/encoderblock_1/LayerNorm_0/scale"),
        ("encoder.layer.1.ffn_norm.bias", "Transformer/encoderblock_1/LayerNorm_2/bias"),
        ("encoder.layer.0.ffn.fc2.bias", "Transformer/encoderblock_0/MlpBlock_3/Dense_1/bias"),
        ("encoder.layer.0.attn.key.bias",
         "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/key/bias"),
    ],
)  # fmt: skip
def test_vectors_lose_the_axes_that_they_have_in_the_file(
    ours: str, theirs: str, flax: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "weights.npz"))
    assert torch.equal(weights[f"transformer.{ours}"], flax[theirs].flatten())


def test_linear_layers_of_the_file_do_the_same_in_the_network(
    flax: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "weights.npz"))
    block, layer = "Transformer/encoderblock_1/", "transformer.encoder.layer.1."
    attention = block + "MultiHeadDotProductAttention_1/"
    token = torch.rand(384)
    for part in ("query", "key", "value"):
        # Of each head on its own, then one after the other.
        heads = torch.einsum("i,ihc->hc", token, flax[f"{attention}{part}/kernel"])
        given = weights[f"{layer}attn.{part}.weight"] @ token
        torch.testing.assert_close(given.view(12, 32), heads, rtol=1e-4, atol=1e-3)
    joined = torch.einsum("hc,hco->o", token.view(12, 32), flax[attention + "out/kernel"])
    given = weights[layer + "attn.out.weight"] @ token
    torch.testing.assert_close(given, joined, rtol=1e-4, atol=1e-3)
    for part, number in [("fc1", 0), ("fc2", 1)]:
        expected = flax[f"{block}MlpBlock_3/Dense_{number}/kernel"].t()
        assert torch.equal(weights[f"{layer}ffn.{part}.weight"], expected)


def test_positions_are_taken_without_that_of_the_class(
    flax: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "weights.npz"))
    stored = flax["Transformer/posembed_input/pos_embedding"]
    torch.testing.assert_close(weights["transformer.embeddings.position_embeddings"], stored[:, 1:])


def test_positions_are_resized_with_their_corners_where_they_were(tmp_path: Path) -> None:
    # Of a 2x2 grid: its columns' numbers, and ten times its rows'.
    stored = torch.tensor([99.0, 0, 1, 10, 11]).view(1, 5, 1)
    resized = _pretrained_vit.positions(stored, tokens=16, path=tmp_path)
    thirds = [0, 1 / 3, 2 / 3, 1]
    assert resized.shape == (1, 16, 1)
    assert resized.flatten().tolist() == pytest.approx([10 * r + c for r in thirds for c in thirds])


def test_positions_of_the_paper_s_size_are_resized_to_those_of_256(
    flax: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = begun("transunet", saved(flax, tmp_path, "weights.npz"), image_size=256)
    assert weights["transformer.embeddings.position_embeddings"].shape == (1, 256, 384)


@pytest.mark.parametrize("shape", [(1, 13, 4), (1, 1, 4), (2, 5, 4), (5, 4), (1, 0, 4)])
def test_positions_that_are_no_square_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="are no square"):
        _pretrained_vit.positions(torch.zeros(shape), tokens=4, path=tmp_path / "weights.npz")


@pytest.mark.parametrize(
    ("theirs", "shape"),
    [
        ("conv_root/kernel", (7, 7, 1, 32)),
        ("embedding/bias", (383,)),
        ("Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel", (1536, 384)),
        ("Transformer/encoderblock_0/MultiHeadDotProductAttention_1/key/kernel", (384, 12, 16)),
    ],
)
def test_an_array_of_another_shape_is_refused(
    theirs: str, shape: tuple[int, ...], flax: dict[str, Tensor], tmp_path: Path
) -> None:
    path = saved({**flax, theirs: torch.zeros(shape)}, tmp_path, "weights.npz")
    with pytest.raises(UserError, match="would have shape"):
        begun("transunet", path)


def test_a_file_without_the_resnet_is_refused(flax: dict[str, Tensor], tmp_path: Path) -> None:
    only_vit = {name: array for name, array in flax.items() if not name.startswith("block")}
    with pytest.raises(UserError, match="it lacks 'block1/unit1/conv1/kernel'"):
        begun("transunet", saved(only_vit, tmp_path, "weights.npz"))


def test_counting_reads_the_file_too_and_needs_no_memory_for_the_network(tmp_path: Path) -> None:
    path = saved(published("vmunet"), tmp_path)
    with torch.device("meta"):
        network = models.build(
            "vmunet", channels=3, classes=1, pretrained=path, **OPTIONS["vmunet"]
        )
    assert all(tensor.is_meta for tensor in network.state_dict().values())
