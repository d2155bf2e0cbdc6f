"""The environment of the processes that these tests start."""

import os

# The warm-up of a worker compiles the network for every batch size up to this one.
os.environ.setdefault("SEEWHY_MAX_BATCH", "2")
