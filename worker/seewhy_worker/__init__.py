"""The room with the model: Celery hints in, explanations out."""
