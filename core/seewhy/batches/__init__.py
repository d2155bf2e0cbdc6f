"""Batches: many explanations under one id, received, turned into jobs, and read back."""
