"""`seewhy bucket`."""

import typer


def bucket() -> None:
    """Create and configure the S3 bucket named by SEEWHY_STORE_URL."""
    from seewhy.settings import load
    from seewhy.storage.provision import provision

    for line in provision(load()):
        typer.echo(line)
