"""Settings: what is read from where, and the sentence when one is missing or malformed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from massage_link.errors import SettingsError
from massage_link.settings import FunctionSettings, Settings

GOOD = {"APPWRITE_ENDPOINT": "https://example.test/v1", "APPWRITE_PROJECT_ID": "shop"}
SECRET = "standard_0123456789abcdef"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests counts."""
    for settings in (Settings, FunctionSettings):
        for field in settings.model_fields.values():
            monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.chdir(tmp_path)


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def _refusal() -> str:
    with pytest.raises(SettingsError) as refusal:
        Settings.load()
    return str(refusal.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **GOOD, APPWRITE_API_KEY=SECRET)
    assert Settings.load().link_arguments() == {
        "endpoint": "https://example.test/v1",
        "project_id": "shop",
        "api_key": SECRET,
        "session": None,
        "database": "massage_link",
        "freeze_after": timedelta(hours=48),
    }


def test_settings_come_from_a_dotenv_file_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(
        "APPWRITE_ENDPOINT=https://file.test/v1\nAPPWRITE_PROJECT_ID=from-file\n"
        "MASSAGE_LINK_DATABASE=other\nAPPWRITE_SESSION=s3cret\nUNRELATED=1\n"
    )
    _set(monkeypatch, APPWRITE_PROJECT_ID="from-environment")
    settings = Settings.load()
    assert (settings.endpoint, settings.project_id, settings.database) == (
        "https://file.test/v1",
        "from-environment",
        "other",
    )
    assert settings.link_arguments()["session"] == "s3cret"


def test_the_dotenv_file_can_be_named_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shop.env").write_text("\n".join(f"{name}={value}" for name, value in GOOD.items()))
    assert Settings.load("shop.env").project_id == "shop"
    with pytest.raises(SettingsError, match=r"Set them in the environment, for example"):
        Settings.load(None)


def test_every_missing_setting_is_named_with_the_place_to_set_it() -> None:
    assert _refusal() == (
        "APPWRITE_ENDPOINT is not set; APPWRITE_PROJECT_ID is not set. Set them in the environment or in .env, "
        "for example APPWRITE_ENDPOINT=https://fra.cloud.appwrite.io/v1 and APPWRITE_PROJECT_ID=my-project."
    )


def test_how_long_rooms_stay_open_is_a_number_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **GOOD, MASSAGE_LINK_CHAT_FREEZE_HOURS="72")
    assert Settings.load().freeze_after == timedelta(days=3)
    for wrong in ("0", "-1", "2.5", "two", "87601", "9" * 5_000):
        _set(monkeypatch, MASSAGE_LINK_CHAT_FREEZE_HOURS=wrong)
        assert _refusal().startswith("MASSAGE_LINK_CHAT_FREEZE_HOURS: ")
        assert "is not a whole number of hours from 1 to 87,600" in _refusal()


def test_an_empty_setting_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **GOOD | {"APPWRITE_PROJECT_ID": ""}, APPWRITE_API_KEY="")
    assert _refusal().startswith("APPWRITE_PROJECT_ID is not set. Set it in")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("APPWRITE_ENDPOINT", "localhost", "is not a URL that begins with http:// or https://"),
        ("APPWRITE_ENDPOINT", "ftp://example.test/v1", "is not a URL that begins with"),
        ("APPWRITE_ENDPOINT", "https:///v1", "is not a URL that begins with"),
        ("APPWRITE_ENDPOINT", "https://example.test", "does not end with /v1"),
        ("APPWRITE_ENDPOINT", "https://example.test/v1?x=1", "something behind the path"),
        ("APPWRITE_PROJECT_ID", "my project", "is not an Appwrite id"),
        ("APPWRITE_PROJECT_ID", "p" * 37, "is not an Appwrite id"),
        ("MASSAGE_LINK_DATABASE", "_db", "is not an Appwrite id"),
    ],
)
def test_a_malformed_setting_is_named_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    _set(monkeypatch, **GOOD | {name: value})
    refusal = _refusal()
    assert refusal.startswith(f"{name}: {value!r} ")
    assert said in refusal


@pytest.mark.parametrize("value", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}…", "two words"])
@pytest.mark.parametrize("name", ["APPWRITE_API_KEY", "APPWRITE_SESSION"])
def test_a_malformed_secret_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    _set(monkeypatch, **GOOD, **{name: value})
    refusal = _refusal()
    assert refusal.startswith(f"{name}: it holds white space or signs that no key has.")
    assert value.strip() not in refusal


def test_a_key_and_a_session_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **GOOD, APPWRITE_API_KEY=SECRET, APPWRITE_SESSION="s3cret")
    assert _refusal() == "APPWRITE_API_KEY and APPWRITE_SESSION are both set; set the one to act with."


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **GOOD, APPWRITE_API_KEY=SECRET)
    settings = Settings.load()
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize("endpoint", ["https://example.test/v1/", "http://127.0.0.1:8080/proxy/v1", "http://[::1]/v1"])
def test_an_endpoint_ends_without_a_slash(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    _set(monkeypatch, **GOOD | {"APPWRITE_ENDPOINT": endpoint})
    assert Settings.load().endpoint == endpoint.rstrip("/")


def test_a_dotenv_file_that_is_no_text_is_named() -> None:
    Path(".env").write_bytes(b"APPWRITE_ENDPOINT=\xff\xfe")
    assert _refusal() == ".env is not a text file in UTF-8."


def test_a_function_learns_from_its_runtime_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, APPWRITE_FUNCTION_API_ENDPOINT="http://appwrite/v1", APPWRITE_FUNCTION_PROJECT_ID="shop")
    assert FunctionSettings.load().link_arguments("ephemeral_key") == {
        "endpoint": "http://appwrite/v1",
        "project_id": "shop",
        "api_key": "ephemeral_key",
        "database": "massage_link",
        "freeze_after": timedelta(hours=48),
    }


def test_a_function_goes_where_its_own_variable_says_when_the_runtime_is_told_a_name_that_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set(
        monkeypatch,
        APPWRITE_FUNCTION_API_ENDPOINT="http://localhost/v1",
        APPWRITE_FUNCTION_PROJECT_ID="shop",
        MASSAGE_LINK_FUNCTION_ENDPOINT="http://192.168.1.10/v1/",
    )
    assert FunctionSettings.load().endpoint == "http://192.168.1.10/v1"
    _set(monkeypatch, MASSAGE_LINK_FUNCTION_ENDPOINT="192.168.1.10")
    with pytest.raises(SettingsError, match="MASSAGE_LINK_FUNCTION_ENDPOINT"):
        FunctionSettings.load()
    _set(monkeypatch, MASSAGE_LINK_FUNCTION_ENDPOINT="")
    assert FunctionSettings.load().endpoint == "http://localhost/v1"


def test_a_function_outside_of_a_runtime_says_so() -> None:
    with pytest.raises(SettingsError, match="APPWRITE_FUNCTION_API_ENDPOINT is not set") as refusal:
        FunctionSettings.load()
    assert "Set them in the environment, for example" in str(refusal.value)
