"""The commands of `seewhy`, one module per command or group."""
