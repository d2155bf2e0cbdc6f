"""`seewhy webhooks`: what an operator does about webhooks."""

import typer

webhooks = typer.Typer(help="Make the secret that webhooks are signed with.", no_args_is_help=True)


@webhooks.callback()
def _options() -> None:
    pass


@webhooks.command()
def secret() -> None:
    """Print a fresh secret for SEEWHY_WEBHOOK_SECRETS."""
    from seewhy.webhooks import fresh_secret

    typer.echo(fresh_secret())
