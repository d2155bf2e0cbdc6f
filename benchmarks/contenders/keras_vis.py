"""tf-keras-vis: all pictures together, one call per class. Maps are left at their own size."""

import keras
import tensorflow as tf
from answering import LAYER, Run, answer, pixels
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

CAM = Gradcam(keras.applications.VGG16(weights=None), model_modifier=ReplaceToLinear(), clone=False)


def make(batch: int, classes: int) -> Run:
    given = tf.constant(pixels(batch))

    def run() -> None:
        for wanted in range(classes):
            CAM(
                CategoricalScore([wanted] * batch),
                given,
                penultimate_layer=LAYER,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )

    return run


answer(make)
