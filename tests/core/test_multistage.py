"""The backbone of a decoder a stage: where time is cut, who learns, and its way to a map."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.commands import pretrain
from mtmsd.commands.arguments import build
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion.backbones import build_backbone
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.multistage import MultistageUNet
from mtmsd.diffusion.patches import Batch, PatchPool
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.diffusion.step import set_gradients
from mtmsd.diffusion.time_stages import (
    best_segments,
    last_timesteps,
    optimal_denoiser,
    similarities,
    spans,
)
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import Canceled, InputError
from mtmsd.features.stages import StageReader
from mtmsd.files.tensor_file import load_arrays, save_arrays
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from running import TINY, words

CPU = torch.device("cpu")


def objective(similarity: np.ndarray, cuts: tuple[int, ...]) -> float:
    """What the cuts are worth, by definition."""
    bounds = (0, *cuts, len(similarity))
    return sum(similarity[a:b, a:b].mean() for a, b in zip(bounds, bounds[1:]))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_programme_equals_brute_force(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(size=(6, 6))
    values = (values + values.T) / 2
    best = max(combinations(range(1, 6), count - 1), key=lambda cuts: objective(values, cuts))
    cuts, found = best_segments(values, count)
    assert tuple(cuts) == best
    assert found == pytest.approx(objective(values, best))


def test_two_blocks_are_cut_between_them() -> None:
    values = np.zeros((5, 5))
    values[:3, :3] = values[3:, 3:] = 1
    assert best_segments(values, 2) == ([3], pytest.approx(2.0))
    cuts, found = best_segments(values, 1)
    assert cuts == []
    assert found == pytest.approx(values.mean())


def test_the_optimal_denoiser_is_the_nearest_patch_and_at_last_the_mean() -> None:
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(20, 6))
    noised = 0.3 * (patches[[4, 7]] + 0.01 * rng.normal(size=(2, 6)))
    near = optimal_denoiser(noised, patches, scale=0.3, sigma=1e-3)
    np.testing.assert_allclose(near, patches[[4, 7]], atol=1e-12)
    far = optimal_denoiser(noised, patches, scale=0.3, sigma=1e6)
    np.testing.assert_allclose(far, [patches.mean(0)] * 2, atol=1e-9)
    weights = np.exp(-((noised[0] - 0.3 * patches) ** 2).sum(1) / (2 * 0.3**2 * 0.5**2))
    expected = (weights[:, None] * patches).sum(0) / weights.sum()
    found = optimal_denoiser(noised[:1], patches, scale=0.3, sigma=0.5)
    np.testing.assert_allclose(found[0], expected)


def test_similarity_is_symmetric_and_1_on_the_diagonal() -> None:
    denoised = np.random.default_rng(1).normal(size=(4, 3, 5))
    found = similarities(denoised, 0.5)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)
    assert found[1, 2] == (np.abs(denoised[1] - denoised[2]) < 0.5).mean()


def test_stages_cover_every_timestep_once() -> None:
    parts = spans((200, 600), 1000)
    assert [(part.start, part.stop) for part in parts] == [(0, 201), (201, 601), (601, 1000)]
    network = MultistageUNet(2, 32, (200, 600))
    stage = network.stage_of(torch.arange(1000)).tolist()
    assert stage == [i for i, part in enumerate(network.spans) for _ in part]


def test_cuts_are_those_of_the_scene() -> None:
    patches = np.random.default_rng(0).normal(size=(8, 3, 12, 12)).cumsum(-1)
    patches /= patches.std()
    found = last_timesteps(cosine_schedule(), patches, 3, seed=0)
    assert len(found) == 2
    assert 0 <= found[0] < found[1] < 999
    assert found == last_timesteps(cosine_schedule(), patches, 3, seed=0)
    assert last_timesteps(cosine_schedule(), patches, 1, seed=0) == ()


def random_weights(network: UNet) -> None:
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)


def test_one_stage_is_the_plain_unet_with_the_same_weights() -> None:
    plain, staged = UNet(3, 32), MultistageUNet(3, 32)
    random_weights(plain)
    missing = staged.load_state_dict(plain.state_dict(), strict=False)
    assert missing.missing_keys == ["last_timesteps"]
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([3, 800])
    torch.testing.assert_close(staged(x, t), plain(x, t), rtol=0, atol=0)
    for one, other in zip(staged.stages(x, t[:1], (0, 5)), plain.stages(x, t[:1], (0, 5))):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_batch_of_one_stage_teaches_its_own_decoder_alone() -> None:
    network, generator = MultistageUNet(2, 32, (200, 600)), torch.Generator().manual_seed(0)
    random_weights(network)
    x, noise = (torch.randn(2, 2, 8, 8, generator=generator) for _ in range(2))
    batch = Batch(x, torch.tensor([201, 600]), noise)
    set_gradients(network, cosine_schedule(), batch, CPU, Arithmetic())
    learns = {
        name: any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
        for name, part in {
            "first": network.output_blocks, "second": network.decoders[0],
            "third": network.decoders[1], "encoder": network.input_blocks,
        }.items()
    }  # fmt: skip
    assert learns == {"first": False, "second": True, "third": False, "encoder": True}


def test_patches_of_several_stages_are_each_decoded_by_their_own() -> None:
    network = MultistageUNet(2, 32, (200, 600))
    random_weights(network)
    x, t = torch.randn(4, 2, 8, 8), torch.tensor([700, 10, 300, 999])
    whole = network(x, t)
    for i in range(4):
        torch.testing.assert_close(whole[i : i + 1], network(x[i : i + 1], t[i : i + 1]))
    assert not torch.allclose(network(x[:1], t[1:2]), network(x[:1], t[2:3]))


def test_features_are_read_from_the_decoder_of_their_timestep() -> None:
    network = MultistageUNet(2, 32, (200, 600))
    random_weights(network)
    tiles = torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        for parameter in network.decoders[0].parameters():
            parameter.zero_()
    reader = StageReader(network, torch.randn(2, 8, 8), (100, 300, 800), (0, 5))
    silent = [bool((maps[0] == 0).all()) for maps in reader.maps(tiles)]
    assert silent == [False, True, False]


def test_batches_lie_in_one_stage_and_stages_are_as_likely(trained: Path) -> None:
    scene = Scene.open(trained / "scene.tif")
    pool = PatchPool(scene, fit_whitening(scene, 2, seed=0), 16, seed=0, reporter=Reporter())
    parts = spans((50, 600), 1000)
    counts = [0, 0, 0]
    for step in range(90):
        t = pool.batch(4, 1000, seed=0, step=step, augment=False, spans=parts).t.tolist()
        (stage,) = (i for i, part in enumerate(parts) if t[0] in part)
        assert all(one in parts[stage] for one in t)
        counts[stage] += 1
    assert min(counts) > 18


SETTINGS = TINY | {"backbone": "multistage", "iterations": 8, "timesteps": "100,800"}


def run(*line: str | Path) -> int:
    return main([str(word) for word in line])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def staged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with model.safetensors and classifier.safetensors of the backbone."""
    folder, scene = tmp_path_factory.mktemp("staged"), trained / "scene.tif"
    assert run("pretrain", scene, "-o", folder / "model.safetensors", *words(SETTINGS)) == 0
    line = ["train", scene, trained / "labels.gpkg", "-o", folder / "classifier.safetensors"]
    line += ["--model", folder / "model.safetensors", "--classifier", "mtmsd", "--holdout", "0"]
    last = DiffusionModel.load(folder / "model.safetensors").backbone.last[0]
    assert run(*line, *words(SETTINGS | {"timesteps": f"{last},{last + 1}"})) == 0
    return folder


@pytest.mark.slow
def test_the_model_tells_where_time_was_cut(staged: Path) -> None:
    loaded = DiffusionModel.load(staged / "model.safetensors")
    assert isinstance(loaded.backbone, MultistageUNet)
    assert len(loaded.backbone.last) == 2
    assert loaded.metadata["last_timesteps"] == loaded.backbone.last


@pytest.mark.slow
def test_onnx_maps_as_torch_does(staged: Path, trained: Path, tmp_path: Path) -> None:
    """Each timestep's decoder is in the graph, none by chance."""
    classifier = load_classifier(staged / "classifier.safetensors")
    stages = classifier.model.backbone.stage_of(torch.tensor(classifier.settings.timesteps))
    assert stages.tolist() == [0, 1], "the two timesteps have decoders of their own"
    kept, exported = staged / "classifier.safetensors", tmp_path / "c.onnx"
    assert run("export", kept, "-o", exported) == 0
    found = []
    for file in (kept, exported):
        line = ["classify", trained / "scene.tif", "-o", tmp_path / "map.tif"]
        line += ["--probabilities", tmp_path / "p.tif", "--classifier", file]
        assert run(*line) == 0
        with rasterio.open(tmp_path / "p.tif") as made:
            found.append(made.read())
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)


class Stopping(Reporter):
    """Asks for a cancel after so many steps."""

    def __init__(self, after: int) -> None:
        self.after, self.done = after, 0.0

    @property
    def cancel_requested(self) -> bool:
        return self.done >= self.after

    def progress(self, done: float, total: float, unit: str) -> None:
        self.done = done
        super().progress(done, total, unit)


def pretraining(trained: Path, output: Path, **changes: object) -> pretrain.Arguments:
    settings = {key: str(value) for key, value in (SETTINGS | changes).items()}
    resume = settings.pop("resume", "") == "True"
    values = {"scene": str(trained / "scene.tif"), "output": str(output), "settings": settings}
    return build(pretrain.Arguments, {**values, "resume": resume, "device": "cpu"})


@pytest.mark.slow
def test_a_broken_run_goes_on_to_the_same_weights(
    staged: Path, trained: Path, tmp_path: Path
) -> None:
    """Decoders that no batch has reached yet have no state of the optimiser."""
    output = tmp_path / "model.safetensors"
    with pytest.raises(Canceled):
        pretrain.run(pretraining(trained, output), Stopping(3))
    assert not output.exists()
    pretrain.run(pretraining(trained, output, resume=True), Reporter())
    whole = DiffusionModel.load(staged / "model.safetensors").tensors()
    for name, value in DiffusionModel.load(output).tensors().items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=0, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"backbone": "unet"}, {"decoders": 2}, {"width": 64}], ids=lambda c: next(iter(c))
)
def test_a_checkpoint_of_another_backbone_is_not_gone_on_with(
    changes: dict[str, object], trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model.safetensors"
    with pytest.raises(Canceled):
        pretrain.run(pretraining(trained, output), Stopping(2))
    with pytest.raises(InputError, match="are of another scene, seed or setting"):
        pretrain.run(pretraining(trained, output, resume=True, **changes), Reporter())
    assert not output.exists()


def test_weights_of_another_backbone_are_one_sentence() -> None:
    plain, staged = UNet(2, 32).state_dict(), MultistageUNet(2, 32, (300,)).state_dict()
    with pytest.raises(InputError, match=r"weights in a\.pt are not those of .* MultistageUNet"):
        build_backbone(plain, source="a.pt", name="multistage")
    with pytest.raises(InputError, match=r"a UNet has no 'decoders\.0.*'"):
        build_backbone(staged, source="a.pt", name="unet")
    assert build_backbone(staged, name="multistage").last == [300]


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "name"), [("unet", "UNet"), ("multistage", "MultistageUNet")])
def test_init_from_another_backbone_writes_nothing(
    backbone: str, name: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = UNet(4, 32) if backbone == "multistage" else MultistageUNet(4, 32, (300,))
    torch.save(other.state_dict(), tmp_path / "a.pt")
    line = ["pretrain", trained / "scene.tif", "-o", tmp_path / "m.safetensors"]
    line += ["--init", tmp_path / "a.pt", *words(SETTINGS | {"backbone": backbone})]
    assert run(*line) == 1
    assert name in told(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "ends", [[600, 200, 999], [200, 200, 999], [200, 999, 999], [-1, 300, 999], [200, 600, 800]]
)
def test_a_file_with_a_stage_without_timesteps_is_one_sentence(
    ends: list[int], staged: Path, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(staged / "model.safetensors", "diffusion-model")
    arrays["multistage.last_timesteps"] = np.array(ends, np.float32)
    save_arrays(tmp_path / "m.safetensors", "diffusion-model", arrays, metadata)
    with pytest.raises(InputError, match=r"stages (without timesteps|that end at)") as caught:
        DiffusionModel.load(tmp_path / "m.safetensors")
    assert "m.safetensors" in caught.value.message


@pytest.mark.slow
def test_a_file_that_names_another_backbone_is_one_sentence(staged: Path, tmp_path: Path) -> None:
    arrays, metadata = load_arrays(staged / "model.safetensors", "diffusion-model")
    metadata["settings"]["pretrain"]["backbone"] = "unet"
    save_arrays(tmp_path / "m.safetensors", "diffusion-model", arrays, metadata)
    with pytest.raises(InputError, match=r"m\.safetensors cannot be used.*diffusion UNet"):
        DiffusionModel.load(tmp_path / "m.safetensors")


def test_timesteps_of_two_stages_are_not_read_at_once() -> None:
    network = MultistageUNet(2, 32, (200, 600))
    with pytest.raises(ValueError, match=r"the timesteps \[100, 700\] are of 2 stages"):
        network.stages(torch.randn(2, 2, 8, 8), torch.tensor([100, 700]), (0,))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("timesteps=1000", "The setting timesteps cannot be '1000'"),
        ("blocks=0,12", "The backbone multistage has the decoder blocks 0 to"),
        ("decoders=9", "The setting decoders cannot be '9'"),
    ],
)
def test_what_no_stage_has_is_one_sentence(
    setting: str, said: str, staged: Path, trained: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", tmp_path / "c"]
    line += ["--model", staged / "model.safetensors", "--classifier", "mtmsd", "--set", setting]
    assert run(*line) == 1
    assert said in told(capsys)
    assert list(tmp_path.iterdir()) == []
