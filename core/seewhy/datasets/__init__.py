"""Data sets on disk, in the layouts that labeling tools and training programs read."""
