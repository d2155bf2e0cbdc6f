"""Decode images, place maps on them, and render heatmaps and overlays."""
