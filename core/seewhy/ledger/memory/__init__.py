"""The ledger in memory: the plain model that the Lua is compared with."""
