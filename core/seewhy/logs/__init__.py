"""Logging of every process: one line a message, without secrets and without forged lines."""
