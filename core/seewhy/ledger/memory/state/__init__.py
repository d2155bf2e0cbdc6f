"""The state of the in-memory ledger, and the steps that several operations share."""
