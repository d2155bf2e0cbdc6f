"""Object storage: images, manifests, outcomes and results, in S3 or a local directory."""
