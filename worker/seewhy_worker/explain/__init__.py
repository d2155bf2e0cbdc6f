"""The explainer: from prepared images and targets to maps, scores and trust scores."""
