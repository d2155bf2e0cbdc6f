"""Data sets on disk, in the layouts that labelling tools and training programs read."""
