"""What commands share: options, output, progress, and the service that they talk to."""
