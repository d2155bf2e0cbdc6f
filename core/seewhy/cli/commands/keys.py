"""`seewhy keys`: create, list, revoke and rotate API keys."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DataOption

if TYPE_CHECKING:
    from seewhy.access.api_key import ApiKey
    from seewhy.access.key_store import KeyStore
    from seewhy.access.records import KeyRecord, Scope

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

KeyIdArgument = Annotated[str, typer.Argument(help="The id of a key, as `list` shows it.")]

keys = typer.Typer(help="Create, list, revoke and rotate API keys.", no_args_is_help=True)


@keys.command()
def create(
    tenant: Annotated[str, typer.Option(help="The tenant that the key belongs to.")],
    scopes: Annotated[
        str,
        typer.Option(
            help="What the key allows, comma-separated: submit, read, admin (list and revoke the "
            "tenant's keys)."
        ),
    ] = "submit,read",
    expires: Annotated[
        str | None, typer.Option(help="How long the key is valid, such as 12h or 90d.")
    ] = None,
    name: Annotated[str, typer.Option(help="A note for `list`, such as who has the key.")] = "",
    open_jobs: Annotated[
        int | None, typer.Option(min=1, help="The most unfinished jobs. Default: the setting.")
    ] = None,
    submissions_per_minute: Annotated[
        int | None, typer.Option(min=1, help="The most submissions. Default: the setting.")
    ] = None,
    passes_per_minute: Annotated[
        int | None, typer.Option(min=1, help="The most forward passes. Default: the setting.")
    ] = None,
    uploads_per_minute: Annotated[
        int | None,
        typer.Option(
            min=1, help="The most images sent outside batches a minute. Default: the setting."
        ),
    ] = None,
    uploaded_bytes_per_minute: Annotated[
        int | None,
        typer.Option(min=1, help="The most bytes of such images a minute. Default: the setting."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Create a key and print it. It is shown only now."""
    from seewhy.access.records import QuotaOverrides
    from seewhy.schemas.context import is_tenant

    if not is_tenant(tenant):
        message = "--tenant: give 1 to 64 letters, digits, `.`, `_` or `-`"
        raise typer.BadParameter(message)
    allowed = _parse_scopes(scopes)
    valid_for = _parse_duration(expires, "--expires") if expires else None
    key, record = _open(data).create(
        tenant=tenant,
        scopes=allowed,
        name=name[:100],
        valid_for=valid_for,
        quota=QuotaOverrides(
            open_jobs=open_jobs,
            submissions_per_minute=submissions_per_minute,
            passes_per_minute=passes_per_minute,
            uploads_per_minute=uploads_per_minute,
            uploaded_bytes_per_minute=uploaded_bytes_per_minute,
        ),
    )
    _show_once(key, record)


@keys.command("list")
def list_keys(data: DataOption = None) -> None:
    """List the keys, without their secrets. Times are UTC; the last use is known to the minute."""
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console

    now = datetime.now(UTC)
    last_used = _last_used(data)
    table = Table(box=None)
    table.add_column("id", no_wrap=True)
    for title in ("tenant", "scopes", "status", "created", "expires", "last use", "name"):
        table.add_column(title, overflow="fold")
    for record in _open(data).records():
        table.add_row(
            record.key_id,
            record.tenant,
            ",".join(sorted(record.scopes)),
            record.status(now=now),
            _format_time(record.created_at),
            _format_time(record.expires_at),
            _format_time(last_used.get(record.key_id)),
            record.name,
        )
    output_console().print(table)


@keys.command()
def revoke(key_id: KeyIdArgument, data: DataOption = None) -> None:
    """Revoke a key for ever. Every API refuses it within ten seconds."""
    record = _open(data).revoke(key_id)
    typer.echo(f"{record.key_id} of {record.tenant} is revoked")


@keys.command()
def rotate(
    key_id: KeyIdArgument,
    grace: Annotated[
        str, typer.Option(help="How long the old secret stays valid, such as 1h; 0m ends it now.")
    ] = "24h",
    data: DataOption = None,
) -> None:
    """Give a key a new secret and print it. The id, tenant, scopes and expiry stay."""
    key, record = _open(data).rotate(key_id, grace=_parse_duration(grace, "--grace"))
    _show_once(key, record)


def _show_once(key: "ApiKey", record: "KeyRecord") -> None:
    typer.echo(key.text)
    until = _format_time(record.expires_at)
    typer.echo(
        f"key {record.key_id} of tenant {record.tenant}, "
        f"scopes {', '.join(sorted(record.scopes))}, "
        + ("does not expire" if record.expires_at is None else f"expires {until} UTC")
        + ". Keep it: it cannot be shown again.",
        err=True,
    )


def _parse_scopes(text: str) -> "set[Scope]":
    from seewhy.access.records import Scope
    from seewhy.cli.terminal.arguments import split_names

    try:
        scopes = {Scope(name) for name in split_names(text)}
    except ValueError as error:
        message = f"--scopes: {error}; choose from {', '.join(Scope)}"
        raise typer.BadParameter(message) from error
    if not scopes:
        raise typer.BadParameter(f"--scopes: choose from {', '.join(Scope)}")
    return scopes


def _parse_duration(text: str, option: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,5})([mhd])", text)
    if match is None:
        raise typer.BadParameter(
            f"{option}: {text[:20]!r}: give a number with m, h or d, such as 90d"
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _format_time(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def _last_used(data: Path | None) -> dict[str, datetime]:
    """Return when each key was used last; nothing when Redis does not answer."""
    from seewhy.cli.terminal.console import error_console
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.errors import LedgerUnavailable
    from seewhy.ledger.redis.ledger import open_ledger

    try:
        used_ms = open_ledger(operator_settings(data)).key_use.last_used_ms()
    except LedgerUnavailable:
        error_console().print("Redis does not answer: the last use of the keys is not known")
        return {}
    return {key_id: datetime.fromtimestamp(ms / 1000, UTC) for key_id, ms in used_ms.items()}


def _open(data: Path | None) -> "KeyStore":
    from seewhy.access.key_store import KeyStore
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.storage.obstore_adapter import open_store

    return KeyStore(open_store(operator_settings(data)))
