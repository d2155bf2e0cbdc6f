"""The Celery broker, which carries wakeups only."""
