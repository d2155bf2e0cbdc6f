"""`seewhy bucket`."""

import typer


def bucket() -> None:
    """Create and configure the S3 bucket that the environment names."""
    from seewhy.objects.bucket import provision
    from seewhy.settings import load

    for line in provision(load()):
        typer.echo(line)
