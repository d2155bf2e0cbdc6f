"""Jobs between the HTTP API, the ledger and the store: submission, archiving, recovery."""
