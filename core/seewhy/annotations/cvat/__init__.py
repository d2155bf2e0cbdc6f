"""CVAT: shapes of its API, and images of its XML files."""
