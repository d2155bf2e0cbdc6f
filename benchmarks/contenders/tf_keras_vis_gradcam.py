"""tf-keras-vis: all images together, one call per class. Maps keep their native size."""

import keras
import tensorflow as tf
from contender_server import LAYER, Run, random_pixels, serve
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

CAM = Gradcam(keras.applications.VGG16(weights=None), model_modifier=ReplaceToLinear(), clone=False)


def prepare_run(batch: int, classes: int) -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    images = tf.constant(random_pixels(batch))

    def run() -> None:
        for target in range(classes):
            CAM(
                CategoricalScore([target] * batch),
                images,
                penultimate_layer=LAYER,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )

    return run


serve(prepare_run)
