"""Check a model file in a child process with limits on memory and time."""
