"""How the ledger talks to Redis: connection, keys, scripts, encoding."""
