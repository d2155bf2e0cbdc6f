"""The memory that a worker takes, without its devices."""
