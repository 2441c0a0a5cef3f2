"""Backbones: real weights or a clear refusal, four stages, the same bits every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.settings import WeightsFile
from worker.vision import BACKBONES, FeatureExtractor, FeatureSpec, WeightsError, load_backbone
from worker.vision.backbones import prepare
from worker.vision.images import fit_square, tiles

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
def extractor() -> FeatureExtractor:
    torch.set_num_threads(1)
    return FeatureExtractor({"efficientnet_lite0": load_backbone("efficientnet_lite0")})


def test_the_bundled_backbone_has_trained_weights_and_names_them() -> None:
    backbone = load_backbone("efficientnet_lite0")
    assert backbone.label == f"efficientnet_lite0:{backbone.weights}"
    assert backbone.weights.startswith("579344248a93e23026e6b") and len(backbone.weights) == 64
    assert not backbone.network.training


@pytest.mark.parametrize("name", STAGES)
def test_four_stages(name: str) -> None:
    backbone = load_backbone(name, allow_random=True)
    extractor = FeatureExtractor({name: backbone})
    (view,) = extractor.extract([noise(0)], FeatureSpec(name))[0]
    assert [stage.shape for stage in view] == [(width,) for width in STAGES[name]]
    assert all(stage.dtype == np.float32 and np.isfinite(stage).all() for stage in view)


def test_random_weights_only_when_asked_for_and_then_named() -> None:
    with pytest.raises(WeightsError, match="CHARTREWARD_WEIGHTS"):
        load_backbone("resnet18")
    first, second = (load_backbone("squeezenet1_1", allow_random=True) for _ in range(2))
    assert first.weights == "random"
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_a_file_of_untrained_weights_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "random.pth"
    torch.save(load_backbone(name, allow_random=True).network.state_dict(), path)
    with pytest.raises(WeightsError, match="never trained"):
        load_backbone(name, WeightsFile(path=path))


def test_a_trained_file_loads_and_is_named_by_its_digest(tmp_path: Path) -> None:
    network = load_backbone("resnet18", allow_random=True).network
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            value.add_(0.1)
    path = tmp_path / "resnet18.pth"
    torch.save(network.state_dict(), path)
    backbone = load_backbone("resnet18", WeightsFile(path=path))
    assert len(backbone.weights) == 64
    assert load_backbone("resnet18", WeightsFile(path=path, sha256=backbone.weights[:12])).weights == backbone.weights
    with pytest.raises(WeightsError, match="was configured"):
        load_backbone("resnet18", WeightsFile(path=path, sha256="0" * 64))
    with pytest.raises(WeightsError, match="another architecture"):
        load_backbone("squeezenet1_1", WeightsFile(path=path))


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_backbone("resnet18", WeightsFile(path=tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(WeightsError, match="not a plain torch checkpoint"):
        load_backbone("resnet18", WeightsFile(path=tmp_path / "text.pth"))
    with pytest.raises(WeightsError, match="unknown backbone"):
        load_backbone("vgg")


class Payload:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/chartreward-pickle-ran"),))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Payload()}, path)
    with pytest.raises(WeightsError):
        load_backbone("resnet18", WeightsFile(path=path))
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
def test_the_compiled_stages_are_those_of_the_network(name: str) -> None:
    backbone = load_backbone(name, allow_random=True)
    assert backbone.compiled is not None
    images = np.stack([noise(seed, 224, 224) for seed in range(2)])
    with torch.inference_mode():
        eager = backbone.architecture.stages(backbone.network, prepare(images, backbone.preparation))
    for compiled, plain in zip(backbone.stages(images), eager, strict=True):
        assert compiled.shape == plain.shape
        assert (compiled - plain).abs().max() <= 1e-5 * plain.abs().max()


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


def test_the_default_backbone_does_not_import_torchvision() -> None:
    script = (
        "import sys; from worker.vision import load_backbone; load_backbone('efficientnet_lite0');"
        "assert 'torchvision' not in sys.modules;"
        "load_backbone('resnet18', allow_random=True); assert 'torchvision' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_every_backbone_is_known() -> None:
    assert set(STAGES) < set(BACKBONES)
