"""What goes wrong with engines."""


class EngineFailed(Exception):
    """An engine cannot compute a network. The message is one line that says why."""
