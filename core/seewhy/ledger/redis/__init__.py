"""The ledger in Redis or Valkey: every method is one Lua script or one command."""
