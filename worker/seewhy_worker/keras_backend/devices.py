"""Which devices TensorFlow uses, and how."""

import tensorflow as tf


def enable_memory_growth() -> None:
    """Keep TensorFlow from reserving all memory of each GPU. Call this before any tensor exists."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def hide_gpus() -> None:
    """Keep TensorFlow from using GPUs. Call this before any tensor exists."""
    tf.config.set_visible_devices([], "GPU")


def device_name() -> str:
    """Return the name of the first visible GPU, or `cpu`."""
    for device in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return str(details.get("device_name", "gpu"))
    return "cpu"
