"""Which devices TensorFlow uses, and how."""

import tensorflow as tf


def enable_memory_growth() -> None:
    """Keep TensorFlow from reserving all memory of each GPU. Call this before any tensor exists."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def hide_gpus() -> None:
    """Keep TensorFlow from using GPUs. Call this before any tensor exists."""
    tf.config.set_visible_devices([], "GPU")
