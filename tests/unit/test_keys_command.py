"""`seewhy keys` on a local store."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import KeyRecord, Scope
from seewhy.cli.app import app
from seewhy.errors import UnknownKey
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    url = f"file://{tmp_path}/objects"
    monkeypatch.setenv("SEEWHY_STORE_URL", url)
    monkeypatch.setenv("COLUMNS", "250")
    return KeyStore(open_store(load({}, store_url=url)))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def create(*arguments: str) -> ApiKey:
    key = ApiKey.parse(run("create", "--tenant", "a", *arguments).stdout.strip())
    assert key is not None
    return key


def record_of(store: KeyStore, key: ApiKey) -> KeyRecord:
    return store.require(key.key_id)


def test_create_prints_the_key_alone_on_stdout(store: KeyStore) -> None:
    created = run("create", "--tenant", "lab", "--scopes", "submit, admin", "--name", "CI")
    key = ApiKey.parse(created.stdout.removesuffix("\n"))
    assert key is not None
    assert key.secret not in created.stderr
    assert "cannot be shown again" in created.stderr
    record = record_of(store, key)
    assert (record.tenant, record.name) == ("lab", "CI")
    assert record.scopes == {Scope.SUBMIT, Scope.ADMIN}
    assert record.expires_at is None


def test_by_default_a_key_may_submit_and_read(store: KeyStore) -> None:
    assert record_of(store, create()).scopes == {Scope.SUBMIT, Scope.READ}


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("5m", 300)])
def test_a_key_expires_after_the_given_time(store: KeyStore, text: str, seconds: int) -> None:
    record = record_of(store, create("--expires", text))
    assert record.expires_at is not None
    assert (record.expires_at - record.created_at).total_seconds() == seconds


def test_list_shows_every_key_and_no_secret() -> None:
    keys = [create("--name", "first"), create("--expires", "0m"), create()]
    run("revoke", keys[2].key_id)
    lines = run("list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [key.key_id for key in keys]
    assert [line.split()[3] for line in lines] == ["active", "expired", "revoked"]
    assert lines[0].rstrip().endswith("first")
    assert not any(key.secret in line for key in keys for line in lines)


def test_rotate_prints_a_new_secret_for_the_same_id(store: KeyStore) -> None:
    old = create()
    new = ApiKey.parse(run("rotate", old.key_id, "--grace", "0m").stdout.strip())
    assert new is not None
    assert (new.key_id, new.secret != old.secret) == (old.key_id, True)
    record = record_of(store, new)
    assert record.accepts(new.digest, now=record.created_at)
    [previous] = [secret for secret in record.secrets if secret.sha256 == old.digest]
    assert previous.expires_at is not None


def test_data_names_the_folder_of_seewhy_up(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    key = create("--data", str(tmp_path / "data"))
    assert (tmp_path / "data" / "objects" / "keys" / f"{key.key_id}.json").is_file()
    assert key.key_id not in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("create", "--tenant", "a b"), "letters"),
        (("create", "--tenant", "a", "--scopes", "root"), "submit, read, admin"),
        (("create", "--tenant", "a", "--scopes", ","), "submit, read, admin"),
        (("create", "--tenant", "a", "--expires", "soon"), "90d"),
        (("create", "--tenant", "a", "--data", "/no/such/folder"), "not a folder"),
        (("rotate", "0" * 16, "--grace", "-1h"), "90d"),
    ],
)
def test_a_wrong_argument_is_explained(arguments: tuple[str, ...], complaint: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert complaint in refused.stderr


def test_an_unknown_id_is_refused() -> None:
    assert isinstance(run("revoke", "nonsense").exception, UnknownKey)
