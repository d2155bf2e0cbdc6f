"""Settings come from the environment once, and every mistake is told at once."""

from ipaddress import ip_network

import pytest
from pydantic import SecretStr, ValidationError

from seewhy.errors import SettingsError
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy.settings import load


def test_without_variables_the_defaults_hold():
    settings = load({})
    assert settings.default_model == "vgg16"
    assert settings.resident_models == ("vgg16",)


def test_only_our_variables_are_read():
    settings = load({"SEEWHY_API_PORT": "9", "API_PORT": "10", "PATH": "/bin"})
    assert settings.api_port == 9
    assert settings.model_fields_set == {"api_port"}


def test_an_empty_variable_counts_as_unset():
    assert load({"SEEWHY_S3_ENDPOINT": ""}).s3_endpoint is None


def test_what_the_caller_gives_wins_over_the_environment():
    assert load({"SEEWHY_API_PORT": "9"}, api_port=10).api_port == 10


def test_all_mistakes_are_reported_together_by_the_names_an_operator_wrote():
    environment = {
        "SEEWHY_MAX_BATCH": "99",
        "SEEWHY_STORE_URL": "ftp://x",
        "SEEWHY_REDISURL": "redis://x",
    }
    with pytest.raises(SettingsError) as caught:
        load(environment)
    for name in environment:
        assert name in str(caught.value)
    assert "unknown setting" in str(caught.value)


def test_keys_for_s3_come_in_pairs():
    with pytest.raises(SettingsError, match="set both"):
        load({"SEEWHY_S3_ACCESS_KEY_ID": "a"})


def test_a_list_of_models_is_written_with_commas():
    assert load({"SEEWHY_WORKER_MODELS": "a, b,"}).resident_models == ("a", "b")


def test_a_secret_is_not_shown():
    settings = load({"SEEWHY_S3_ACCESS_KEY_ID": "a", "SEEWHY_S3_SECRET_ACCESS_KEY": "hush"})
    assert settings.s3_secret_access_key == SecretStr("hush")
    assert "hush" not in repr(settings)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        load({}).api_port = 1


def test_networks_of_webhooks_are_written_with_commas():
    networks = load(
        {"SEEWHY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8, fd12::/16,"}
    ).webhook_allowed_networks
    assert networks == (ip_network("127.0.0.0/8"), ip_network("fd12::/16"))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com"])
def test_what_is_not_a_network_is_named(text):
    with pytest.raises(SettingsError, match=f"SEEWHY_WEBHOOK_ALLOWED_NETWORKS.*{text}"):
        load({"SEEWHY_WEBHOOK_ALLOWED_NETWORKS": f"127.0.0.0/8,{text}"})


def test_a_webhook_secret_that_is_none_is_refused_and_not_shown():
    with pytest.raises(SettingsError, match=r"SEEWHY_WEBHOOK_SECRETS.*whsec_") as caught:
        load({"SEEWHY_WEBHOOK_SECRETS": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_webhook_secrets_are_kept_but_not_shown():
    secret = generate_secret()
    settings = load({"SEEWHY_WEBHOOK_SECRETS": secret})
    assert settings.webhook_secrets == SecretStr(secret)
    assert secret not in repr(settings)
