"""The HTTP door: Flask over the ledger and the object store."""
