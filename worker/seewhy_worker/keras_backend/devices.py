"""Which devices TensorFlow uses, and how."""

import tensorflow as tf

from seewhy.errors import DeviceNotFound


def enable_memory_growth() -> None:
    """Keep TensorFlow from reserving all memory of each GPU. Call this before any tensor exists."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def hide_gpus() -> None:
    """Keep TensorFlow from using GPUs. Call this before any tensor exists."""
    tf.config.set_visible_devices([], "GPU")


def require_gpu(name: str) -> None:
    """Raise `DeviceNotFound` if TensorFlow cannot use the GPU that this process is pinned to."""
    if not tf.config.list_physical_devices("GPU"):
        raise DeviceNotFound(
            f"TensorFlow does not find {name}. Compare with `nvidia-smi -L`, check that "
            "`seewhy[worker-gpu]` is installed, which has the CUDA libraries, or choose the "
            "device `cpu`."
        )


def limit_threads(count: int) -> None:
    """Use `count` threads for operations on the CPU. Call this before any tensor exists."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def engine_name() -> str:
    """Return the name and version of TensorFlow."""
    return f"tensorflow {tf.__version__}"


def device_name() -> str:
    """Return the name of the first visible GPU, or `cpu`."""
    for device in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return str(details.get("device_name", "gpu"))
    return "cpu"


def wait_until_computed() -> None:
    """Wait until the devices have computed what was called; GPUs compute after calls return."""
    tf.test.experimental.sync_devices()


def thread_count() -> int:
    """Return how many threads an operation on the CPU uses, as far as it was set; 0 otherwise."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())
