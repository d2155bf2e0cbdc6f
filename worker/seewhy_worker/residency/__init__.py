"""Which models a worker keeps in memory: loaded when their jobs wait, within a budget."""
