"""Compute reference maps with tf-keras-vis on the networks that seewhy explains."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation, ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

from golden.reference_entries import Entries, Targets, collect, compact

# In Grad-CAM++ the same argument also clips inside the formula, so keep its default.
ONE_PASS = {
    "gradcam": (Gradcam, {"activation_modifier": None}),
    "gradcam++": (GradcamPlusPlus, {}),
    "layercam": (Layercam, {"activation_modifier": None}),
}
ALL_CHANNELS = {"scorecam": (Scorecam, {"activation_modifier": None})}
TEN_CHANNELS = {"faster-scorecam": (Scorecam, {"activation_modifier": None, "max_N": 10})}


def maps(
    methods: dict[str, tuple[Any, dict[str, Any]]],
    model: keras.Model,
    layer: str,
    pixels: NDArray[np.float32],
    targets: Targets,
) -> Entries:
    """Explain (N, H, W, 3) pixels by each of the methods, of the logit."""
    entries = {}
    for name, (method, options) in methods.items():
        cam = method(model, model_modifier=ReplaceToLinear(), clone=True)

        def explain(index: int, target: int, cam: Any = cam, options: Any = options) -> Any:
            raw = cam(
                CategoricalScore(target),
                pixels[index : index + 1],
                penultimate_layer=layer,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
                **options,
            )
            return np.asarray(raw)[0]

        entries[f"tf-keras-vis/{name}"] = collect(explain, targets)
    return entries


def input_gradient(model: keras.Model, pixels: NDArray[np.float32], target: int) -> Entries:
    """Compute the logit's gradient with respect to the first image."""
    found = saliency(model, ReplaceToLinear(), pixels, target)
    return compact("tf-keras-vis/input-gradient", found)


def guided_gradient(model: keras.Model, pixels: NDArray[np.float32], target: int) -> Entries:
    """Compute guided backpropagation for the first image. Every activation must be a ReLU."""
    found = saliency(model, [ReplaceToLinear(), GuidedBackpropagation()], pixels, target)
    return compact("tf-keras-vis/guided-backprop", found)


def saliency(
    model: keras.Model, modifiers: Any, pixels: NDArray[np.float32], target: int
) -> NDArray[np.float32]:
    """Return the signed gradient (H, W, 3) of the first image."""
    method = Saliency(model, model_modifier=modifiers, clone=True)
    found = method(
        CategoricalScore(target),
        tf.constant(pixels[:1]),
        keepdims=True,
        gradient_modifier=None,
        normalize_map=False,
    )
    return np.asarray(found)[0]
