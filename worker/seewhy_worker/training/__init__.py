"""`seewhy fit`: a head trained on a folder of pictures, over the frozen body of a model."""
