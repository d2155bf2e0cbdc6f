"""The checkpoint of a running explanation.

Between two passes, an explainer calls the checkpoint that its caller gave it. The checkpoint may
take its time, while other explanations use the device, or raise `Interrupted`.
"""

from collections.abc import Callable

Checkpoint = Callable[[], None]

CALL_S = 0.3
"""How long a call of several chunks may take. Score-CAM of EfficientNet-Lite0 takes 0.98 times as
long as without checkpoints, and 1.09 times with calls of 0.1 s."""


class Interrupted(Exception):
    """The explanation ended at a checkpoint: its caller no longer wants it, or must stop."""


def no_checkpoint() -> None:
    """Go on."""


def after_first(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint that skips its first call, because nothing ran before that."""
    pending = [no_checkpoint]

    def checkpoint_after_first() -> None:
        (pending.pop() if pending else checkpoint)()

    return checkpoint_after_first


def followed_by(checkpoint: Checkpoint, step: Callable[[], None]) -> Checkpoint:
    """Return a checkpoint that takes a step after it, before the explanation goes on."""

    def checkpoint_and_step() -> None:
        checkpoint()
        step()

    return checkpoint_and_step
