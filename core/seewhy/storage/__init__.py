"""Objects: pictures, manifests and results, in S3 or a local directory."""
