"""The worker: receives wakeups from Celery, runs jobs and publishes explanations."""
