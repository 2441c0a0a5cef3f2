"""Backbones: real weights or a clear refusal, four stages, the same bits every time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.settings import WeightsFile, WorkerSettings
from worker.vision import BACKBONES, FeatureExtractor, FeatureSpec, WeightsError, load_backbone
from worker.vision.backbones import prepare
from worker.vision.checkpoints import looks_untrained
from worker.vision.images import fit_square, tiles
from worker.vision.networks import NETWORKS, build_network

LITE0 = FeatureSpec("efficientnet_lite0")
STAGES = {
    "resnet18": [64, 128, 256, 512],
    "efficientnet_lite0": [24, 40, 112, 320],
    "squeezenet1_1": [64, 128, 256, 512],
    "dinov2_vits14": [384] * 4,
}


def noise(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs that the tests of this module share; the default backbone's comes from the export command."""
    folder = tmp_path_factory.mktemp("graphs")
    command = [sys.executable, "-m", "worker.vision.export"]
    environment = {**os.environ, "CHARTREWARD_CACHE": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("efficientnet_lite0:579344248a93")
    assert [file.name.split("-")[0] for file in folder.glob("*.onnx")] == ["efficientnet_lite0"]
    return folder


@pytest.fixture(scope="module")
def extractor(cache: Path) -> FeatureExtractor:
    return FeatureExtractor({"efficientnet_lite0": load_backbone("efficientnet_lite0", cache=cache)})


def trained_resnet(path: Path) -> None:
    """Writes a checkpoint whose normalisation statistics moved."""
    network = build_network("resnet18", None)
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            value.add_(0.1)
    torch.save(network.state_dict(), path)


def test_the_bundled_backbone_has_trained_weights_and_names_them(cache: Path) -> None:
    backbone = load_backbone("efficientnet_lite0", cache=cache)
    assert backbone.label == f"efficientnet_lite0:{backbone.weights}"
    assert backbone.weights.startswith("579344248a93e23026e6b") and len(backbone.weights) == 64
    path = BACKBONES["efficientnet_lite0"].bundled
    assert path is not None
    network = build_network("efficientnet_lite0", path())
    assert not network.training and not looks_untrained(network.state_dict())


@pytest.mark.parametrize("name", STAGES)
def test_four_stages(name: str, cache: Path) -> None:
    extractor = FeatureExtractor({name: load_backbone(name, allow_random=True, cache=cache)})
    (view,) = extractor.extract([noise(0)], FeatureSpec(name))[0]
    assert [stage.shape for stage in view] == [(width,) for width in STAGES[name]]
    assert all(stage.dtype == np.float32 and np.isfinite(stage).all() for stage in view)


def test_random_weights_only_when_asked_for_and_then_named(cache: Path) -> None:
    with pytest.raises(WeightsError, match="CHARTREWARD_WEIGHTS"):
        load_backbone("resnet18", cache=cache)
    assert load_backbone("squeezenet1_1", allow_random=True, cache=cache).weights == "random"
    first, second = (build_network("squeezenet1_1", None) for _ in range(2))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_a_file_of_untrained_weights_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "random.pth"
    torch.save(build_network(name, None).state_dict(), path)
    with pytest.raises(WeightsError, match="never trained"):
        build_network(name, path)


def test_a_refused_checkpoint_leaves_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "random.pth"
    torch.save(build_network("squeezenet1_1", None).state_dict(), path)
    with pytest.raises(WeightsError, match="never trained"):
        load_backbone("squeezenet1_1", WeightsFile(path=path), cache=tmp_path)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.slow
def test_a_trained_file_loads_and_is_named_by_its_digest(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "resnet18.pth"
    trained_resnet(path)
    backbone = load_backbone("resnet18", WeightsFile(path=path), cache=tmp_path)
    assert len(backbone.weights) == 64
    again = load_backbone("resnet18", WeightsFile(path=path, sha256=backbone.weights[:12]), cache=tmp_path)
    assert again.weights == backbone.weights and len(list(tmp_path.glob("*.onnx"))) == 1
    with pytest.raises(WeightsError, match="was configured"):
        load_backbone("resnet18", WeightsFile(path=path, sha256="0" * 64), cache=tmp_path)
    with pytest.raises(WeightsError, match="another architecture"):
        build_network("squeezenet1_1", path)
    untrained = load_backbone("resnet18", allow_random=True, cache=cache)
    images = np.stack([noise(5, 224, 224)])
    assert not np.array_equal(backbone.stages(images)[3], untrained.stages(images)[3])


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_backbone("resnet18", WeightsFile(path=tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(WeightsError, match="not a plain torch checkpoint"):
        build_network("resnet18", tmp_path / "text.pth")
    with pytest.raises(WeightsError, match="unknown backbone"):
        load_backbone("vgg")


def test_the_graph_is_exported_once_and_an_altered_one_is_not_used(tmp_path: Path, cache: Path) -> None:
    first = load_backbone("squeezenet1_1", allow_random=True, cache=cache)
    (shared,) = cache.glob("squeezenet1_1-*.onnx")
    whole = shared.read_bytes()
    file = tmp_path / shared.name
    file.write_bytes(whole)
    made = file.stat().st_mtime_ns
    load_backbone("squeezenet1_1", allow_random=True, cache=tmp_path)
    assert file.stat().st_mtime_ns == made
    file.write_bytes(whole[:-1000] + bytes(1000))
    again = load_backbone("squeezenet1_1", allow_random=True, cache=tmp_path)
    assert file.read_bytes() == whole
    images = np.stack([noise(5, 224, 224)])
    assert all((a == b).all() for a, b in zip(first.stages(images), again.stages(images), strict=True))


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    backbone = load_backbone("squeezenet1_1", allow_random=True, cache=tmp_path / "file")
    assert len(backbone.stages(np.stack([noise(5, 224, 224)]))) == 4


def test_the_cache_lies_in_the_applications_folder() -> None:
    assert WorkerSettings(cache=Path("/elsewhere")).cache == Path("/elsewhere")
    assert WorkerSettings(cache=Path("graphs")).cache.parts[-2:] == (Path(__file__).parents[2].name, "graphs")


class Payload:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/chartreward-pickle-ran"),))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Payload()}, path)
    with pytest.raises(WeightsError):
        build_network("resnet18", path)
    assert not Path("/tmp/chartreward-pickle-ran").exists()


def test_batches_do_not_change_the_bits(extractor: FeatureExtractor) -> None:
    pictures = [noise(seed) for seed in range(3)]
    alone = [extractor.extract([picture], LITE0)[0][0] for picture in pictures]
    wide = FeatureExtractor(extractor.backbones, batch=3)
    for one, other in zip(alone, wide.extract(pictures, LITE0), strict=True):
        for a, b in zip(one, other[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    again = extractor.extract(pictures, LITE0)
    assert all((a == b[0][k]).all() for one, b in zip(alone, again, strict=True) for k, a in enumerate(one))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "squeezenet1_1"])
def test_the_graph_gives_the_stages_of_the_network(name: str, cache: Path) -> None:
    backbone = load_backbone(name, allow_random=True, cache=cache)
    bundled = BACKBONES[name].bundled
    network = build_network(name, None if bundled is None else bundled())
    images = np.stack([noise(seed, 224, 224) for seed in range(2)])
    with torch.inference_mode():
        eager = NETWORKS[name].stages(network, torch.from_numpy(prepare(images, backbone.preparation)))
    for stage, plain in zip(backbone.stages(images), eager, strict=True):
        assert stage.shape == plain.shape
        assert np.abs(stage - plain.numpy()).max() <= 1e-5 * plain.abs().max()


def test_maps_average_places_as_torch_does(extractor: FeatureExtractor) -> None:
    picture = noise(3)
    maps = extractor.maps(picture, "efficientnet_lite0")
    stages = extractor.backbones["efficientnet_lite0"].stages(np.stack([fit_square(picture, 224, "squash")]))
    for coarse, stage in zip(maps, stages, strict=True):
        cells = min(14, stage.shape[-1])
        plain = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(stage), cells)[0].numpy()
        np.testing.assert_allclose(coarse, plain, rtol=1e-5, atol=1e-6)


def test_tiles_cover_the_reference_canvas(extractor: FeatureExtractor) -> None:
    spec = FeatureSpec("efficientnet_lite0", tile=64, canvas=(100, 130))
    views = extractor.extract([noise(0)], spec)[0]
    assert len(views) == 1 + 2 * 3
    parts = tiles(noise(0, 100, 130), 64)
    assert [part.shape for part in parts] == [(64, 64, 3)] * 6
    assert (parts[-1][36:] == 255).all() and (parts[-1][:, 2:] == 255).all()


def test_flattened_features_keep_places(extractor: FeatureExtractor) -> None:
    (view,) = extractor.extract([noise(0)], FeatureSpec("efficientnet_lite0", pool="flatten"))[0]
    assert view[0].shape == (24 * 56 * 56,)


def test_letterbox_keeps_the_aspect_ratio() -> None:
    black = np.zeros((100, 200, 3), np.uint8)
    fitted = fit_square(black, 224, "letterbox")
    assert (fitted[:56] == 255).all() and (fitted[56:168] == 0).all() and (fitted[168:] == 255).all()
    assert (fit_square(black, 224, "squash") == 0).all()


def test_preparation() -> None:
    image = np.zeros((1, 1, 1, 3), np.uint8)
    image[..., 0] = 255
    np.testing.assert_allclose(prepare(image, "lite").flatten(), [1.0, -127 / 128, -127 / 128])
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(prepare(image, "imagenet").flatten(), expected, rtol=1e-5)
    np.testing.assert_allclose(prepare(image, "caffe").flatten(), [-104, -117, 255 - 123])


def test_a_worker_never_holds_torch(cache: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import worker.pipeline; from worker.vision import load_backbone;"
        f"cache = Path({str(cache)!r}); load_backbone('efficientnet_lite0', cache=cache);"
        "load_backbone('resnet18', allow_random=True, cache=cache);"
        "assert not {'torch', 'torchvision', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_every_backbone_is_known() -> None:
    assert set(STAGES) < set(BACKBONES) == set(NETWORKS)
