"""Load tests of a seewhy service: open-loop schedules, exact percentiles, one report."""
