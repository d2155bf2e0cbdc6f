"""Train a head on a folder of images, over the frozen body of a model: `seewhy fit`."""
