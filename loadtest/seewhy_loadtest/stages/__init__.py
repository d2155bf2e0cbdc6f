"""A stage of a load test: one schedule, its jobs, and what a user asks of it."""
