"""Image features: backbones with real weights, four stages, on one thread."""

from worker.vision.backbones import BACKBONES, Backbone, load_backbone
from worker.vision.features import FeatureExtractor, FeatureSpec, View
from worker.vision.weights import WeightsError

__all__ = ["BACKBONES", "Backbone", "FeatureExtractor", "FeatureSpec", "View", "WeightsError", "load_backbone"]
