"""Model weights, labels and the catalogue that ship with seewhy."""
