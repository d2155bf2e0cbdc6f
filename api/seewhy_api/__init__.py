"""The HTTP API of seewhy: a Flask application over the ledger and the object store."""
