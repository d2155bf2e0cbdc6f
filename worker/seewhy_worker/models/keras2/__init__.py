"""Convert model definitions that Keras 2 wrote to definitions that Keras 3 reads."""
