"""Waiting for changes: the event feed, event streams and long polls."""
