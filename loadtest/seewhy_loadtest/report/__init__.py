"""The report of a run: Markdown, JSON, CSV and HTML."""
