"""Settings come from the environment once, and every mistake is told at once."""

import pytest
from pydantic import SecretStr, ValidationError

from seewhy.errors import SettingsError
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
    assert "no such setting" in str(caught.value)


def test_keys_for_s3_come_in_pairs():
    with pytest.raises(SettingsError, match="go together"):
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
