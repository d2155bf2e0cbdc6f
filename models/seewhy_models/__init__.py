"""The model catalog, weights and labels that ship with seewhy."""
