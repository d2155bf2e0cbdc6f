"""Regions of a map: threshold, connected components, boxes, contours, masks and peaks."""
