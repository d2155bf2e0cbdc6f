"""The settings of workers: their models, their device, and how much they do at once."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from seewhy.schemas.engines import EngineChoice
from seewhy.settings.limits import Names


class WorkerSettings(BaseSettings):
    """The settings of workers. `seewhy.settings` reads their values."""

    default_model: str = Field(
        "vgg16", description="The model for requests that do not name a model."
    )
    worker_models: Names = Field(
        (),
        description="The models that a worker loads when it starts, and keeps, comma-separated; "
        "unset means the default model, unless it has models on demand.",
    )
    worker_demand_models: Names = Field(
        (),
        description="Further models that a worker loads when their jobs wait, comma-separated, "
        "and drops when it needs their memory for another.",
    )
    loaded_models_bytes: int = Field(
        4_000_000_000,
        ge=10_000_000,
        description="The memory that all loaded models of a worker may take together, in bytes, "
        "if it has models on demand; on a GPU it is memory of the device.",
    )
    model_idle_s: float | None = Field(
        None,
        gt=0,
        description="Seconds without jobs after which a worker drops a model on demand; unset "
        "keeps it until its memory is needed.",
    )
    max_batch: int = Field(8, ge=1, le=32, description="The maximum number of images in a batch.")
    worker_concurrency: int = Field(
        3, ge=2, le=16, description="The number of batches that a worker processes at once."
    )
    worker_device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|gpu:[0-9]{1,3})$",
        description="The device of a worker: cpu, gpu:0, gpu:1 and so on, or auto for what "
        "TensorFlow finds.",
    )
    worker_cores: str | None = Field(
        None,
        pattern=r"^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$",
        description="The processor cores that a worker uses, such as 0-3 or 0,2; unset means all "
        "that it may use.",
    )
    worker_engine: EngineChoice = Field(
        "auto",
        description="What computes the activations of models whose catalog entry names no engine: "
        "auto, tensorflow, openvino or openvino-bfloat16; for GPUs also tensorflow-xla, "
        "tensorflow-float16 or tensorflow-xla-float16. auto measures which is fastest when a model "
        "is loaded (docs/workers.md).",
    )
    bundles: bool = Field(
        True,
        description="Whether workers without a GPU write what they have compiled of a model into "
        "bundle_dir, and start from that, without TensorFlow, the next time (docs/workers.md).",
    )
    bundle_dir: Path = Field(
        Path("~/.cache/seewhy/bundles"),
        description="The folder of bundles. Users who can write to it decide what workers compute.",
    )
    device_timeout_s: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="Seconds that about 100 forward passes may take before the worker exits as "
        "hung.",
    )

    @property
    def resident_models(self) -> tuple[str, ...]:
        """The models that a worker loads when it starts, and never drops."""
        if self.worker_models or self.worker_demand_models:
            return self.worker_models
        return (self.default_model,)

    @property
    def demand_models(self) -> tuple[str, ...]:
        """The models that a worker loads when their jobs wait."""
        return tuple(name for name in self.worker_demand_models if name not in self.worker_models)
