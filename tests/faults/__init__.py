"""Fault injection under load: scenarios, their environment, the submitter and the checker."""
