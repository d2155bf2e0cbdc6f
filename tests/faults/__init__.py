"""Faults under load: the world they happen in, the client, the judge, and the scenarios."""
