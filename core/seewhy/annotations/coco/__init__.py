"""COCO: objects of `instances` files, and their run-length encoding."""
