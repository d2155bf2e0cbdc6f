"""The ledger as each caller sees it: one small protocol per caller."""
