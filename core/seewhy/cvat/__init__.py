"""Functions that annotate images in CVAT with the explanations of a running service."""
