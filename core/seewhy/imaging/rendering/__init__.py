"""Render maps as heatmaps and overlays."""
