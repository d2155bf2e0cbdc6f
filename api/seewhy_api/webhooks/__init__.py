"""The webhook dispatcher: delivers outcomes to untrusted receivers."""
