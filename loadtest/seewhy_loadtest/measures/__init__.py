"""Pure functions of what a run recorded: percentiles, slopes, laws and accounts."""
