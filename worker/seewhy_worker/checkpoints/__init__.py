"""Where a running explanation can pause or end."""
