"""The ledger in memory: the plain implementation that tests compare the Lua scripts with."""
