"""The catalog of models, and the files of their weights."""
