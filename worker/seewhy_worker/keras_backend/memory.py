"""The memory that models take."""

import tensorflow as tf

from seewhy_worker.memory.process_memory import resident_bytes


def memory_in_use() -> int:
    """Return the bytes in use of the GPU's memory, or else of this process; 0 if unknown."""
    if tf.config.get_visible_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["current"])
    return resident_bytes()
