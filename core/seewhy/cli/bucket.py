"""`seewhy bucket`."""

import typer


def bucket() -> None:
    """Create and configure the S3 bucket that the environment names."""
    from seewhy.objects.bucket import provision  # noqa: PLC0415
    from seewhy.settings import load  # noqa: PLC0415

    for line in provision(load()):
        typer.echo(line)
