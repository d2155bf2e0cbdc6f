"""Settings are read from the environment, and all mistakes are reported together."""

from ipaddress import ip_network

import pytest
from pydantic import SecretStr, ValidationError

from seewhy.errors import SettingsError
from seewhy.settings import load
from seewhy.webhook_secrets import generate_secret


def test_defaults_apply_without_variables() -> None:
    settings = load({})
    assert settings.default_model == "vgg16"
    assert settings.resident_models == ("vgg16",)


def test_only_variables_with_the_prefix_are_read() -> None:
    settings = load({"SEEWHY_API_PORT": "9", "API_PORT": "10", "PATH": "/bin"})
    assert settings.api_port == 9
    assert settings.model_fields_set == {"api_port"}


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"SEEWHY_S3_ENDPOINT": ""}).s3_endpoint is None


def test_the_key_for_a_service_is_the_one_that_was_given_or_that_of_the_settings() -> None:
    settings = load({"SEEWHY_KEY": "of-the-settings"})
    assert settings.key_for_service("given") == "given"
    assert settings.key_for_service(None) == "of-the-settings"
    assert load({}).key_for_service(None) is None


def test_overrides_take_precedence_over_the_environment() -> None:
    assert load({"SEEWHY_API_PORT": "9"}, api_port=10).api_port == 10


def test_all_mistakes_are_reported_together_with_their_variables() -> None:
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


def test_one_s3_key_without_the_other_is_refused() -> None:
    with pytest.raises(SettingsError, match="set both"):
        load({"SEEWHY_S3_ACCESS_KEY_ID": "a"})


def test_worker_models_are_split_at_commas() -> None:
    assert load({"SEEWHY_WORKER_MODELS": "a, b,"}).resident_models == ("a", "b")


def test_a_worker_keeps_no_model_loaded_if_it_has_models_on_demand_alone() -> None:
    alone = load({"SEEWHY_WORKER_DEMAND_MODELS": "a,b"})
    assert (alone.resident_models, alone.demand_models) == ((), ("a", "b"))
    both = load({"SEEWHY_WORKER_DEMAND_MODELS": "a,b", "SEEWHY_WORKER_MODELS": "b"})
    assert (both.resident_models, both.demand_models) == (("b",), ("a",))


def test_the_s3_secret_is_not_in_the_repr() -> None:
    settings = load({"SEEWHY_S3_ACCESS_KEY_ID": "a", "SEEWHY_S3_SECRET_ACCESS_KEY": "hush"})
    assert settings.s3_secret_access_key == SecretStr("hush")
    assert "hush" not in repr(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load({}).api_port = 1  # type: ignore[misc]


def test_allowed_networks_are_split_at_commas() -> None:
    networks = load(
        {"SEEWHY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8, fd12::/16,"}
    ).webhook_allowed_networks
    assert networks == (ip_network("127.0.0.0/8"), ip_network("fd12::/16"))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com"])
def test_an_invalid_network_is_reported(text: str) -> None:
    with pytest.raises(SettingsError, match=f"SEEWHY_WEBHOOK_ALLOWED_NETWORKS.*{text}"):
        load({"SEEWHY_WEBHOOK_ALLOWED_NETWORKS": f"127.0.0.0/8,{text}"})


def test_an_invalid_webhook_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"SEEWHY_WEBHOOK_SECRETS.*whsec_") as caught:
        load({"SEEWHY_WEBHOOK_SECRETS": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_webhook_secrets_are_not_in_the_repr() -> None:
    secret = generate_secret()
    settings = load({"SEEWHY_WEBHOOK_SECRETS": secret})
    assert settings.webhook_secrets == SecretStr(secret)
    assert secret not in repr(settings)
