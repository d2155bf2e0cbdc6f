"""Photos to try a model with: those of `examples/photos`, at most 512 pixels wide."""

from importlib import resources

SAMPLES = ("cat.jpg", "coffee.jpg", "rocket.jpg")


def read_sample(name: str) -> bytes:
    """Return the file of a photo, whose name is in `SAMPLES`."""
    return (resources.files(__package__) / name).read_bytes()
