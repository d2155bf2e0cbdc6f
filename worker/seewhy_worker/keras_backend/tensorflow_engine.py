"""TensorFlow as the engine of bodies."""

from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.devices import engine_name
from seewhy_worker.models.splitting.split_model import SplitModel


class TensorFlowEngine:
    """Implements `seewhy_worker.explain.engines.Engine`."""

    def __init__(self) -> None:
        self.name = engine_name()
        self.openvino_precision = None

    def body(self, *models: SplitModel, batch: int) -> Body:
        """Compile the body of splits of one network. Raises `OutOfMemory`."""
        return Body(*models, batch=batch)
