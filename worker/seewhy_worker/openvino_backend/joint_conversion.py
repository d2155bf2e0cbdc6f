"""Convert the body and heads of a split model to one OpenVINO model."""

from collections.abc import Sequence
from typing import Any

import openvino
import tensorflow as tf

from seewhy.schemas.targets import MAX_RIVALS
from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.keras_backend.bodies import CutSpec
from seewhy_worker.keras_backend.plain_gradients import NoPlainGradient
from seewhy_worker.keras_backend.score_derivatives import score_derivatives
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.openvino_backend.conversion import to_openvino
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.openvino_backend.joint_network import number_ports
from seewhy_worker.ports.targets import TargetTensors

RESOLVED_OUTPUTS = 3
"""The outputs of a head before its derivatives: logits, classes and rivals."""


def convert_jointly(
    model: SplitModel, cut: CutSpec, kinds: Sequence[Derivatives]
) -> openvino.Model:
    """Convert the body, and heads that compute `kinds`, as `JointNetwork` runs them.

    `cut` has the shapes and types of the cut for any batch size. Raises `ConversionFailed`.
    """

    def run(pixels: Any, *rest: Any) -> list[Any]:
        tensors, targets = rest[: len(cut)], TargetTensors(*rest[len(cut) :])
        outputs = list(model.body(pixels))
        for kind in kinds:
            outputs += score_derivatives(model, kind, tensors, targets)
        return outputs

    try:
        converted = to_openvino(
            run,
            tf.TensorSpec((None, *model.input_shape), tf.float32),
            *(tf.TensorSpec((None, *spec.shape[1:]), spec.dtype) for spec in cut),
            tf.TensorSpec((None, 1), tf.int32),
            tf.TensorSpec((None, 1, MAX_RIVALS), tf.int32),
            tf.TensorSpec((None, 1), tf.float32),
        )
    except NoPlainGradient as error:
        raise ConversionFailed(f"there is no gradient of plain operations for {error}") from error
    number_ports(converted)
    return converted
