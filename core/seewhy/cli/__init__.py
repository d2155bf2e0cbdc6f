"""The command line `seewhy`."""
