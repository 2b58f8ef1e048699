"""Settings from the environment and from a ``.env`` file: the only place that reads them.

Import it where a program starts, not at the top of a library module: pydantic-settings costs a tenth of a second.
``docs/settings.md`` lists every setting.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from massage_link.domain.chat import FREEZE_AFTER
from massage_link.domain.tables import DATABASE
from massage_link.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = ["FunctionSettings", "Settings"]

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,35}")


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{value!r} is not a URL that begins with http:// or https://")
    if not parts.path.rstrip("/").endswith("/v1"):
        raise ValueError(f"{value!r} does not end with /v1, as the address of Appwrite's API does")
    if parts.query or parts.fragment:
        raise ValueError(f"{value!r} has something behind the path")
    return value.rstrip("/")


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is not an Appwrite id: 1 to 36 of a-z, A-Z, 0-9, '.', '_' and '-'")
    return value


def _secret(value: SecretStr) -> SecretStr:
    # It travels in a header; a line break pasted with it would break the request in a way that is hard to understand.
    if not value.get_secret_value().isascii() or any(sign.isspace() for sign in value.get_secret_value()):
        raise ValueError("it holds white space or signs that no key has")  # and never its value
    return value


_Endpoint = Annotated[str, AfterValidator(_endpoint)]
_Id = Annotated[str, AfterValidator(_id)]
_Secret = Annotated[SecretStr, AfterValidator(_secret)]
#: As long as anybody may want to keep a conversation open: ten years.
_MOST_HOURS = 10 * 365 * 24


def _hours(value: str | timedelta) -> timedelta:
    if isinstance(value, timedelta):
        return value  # the default
    if not value.isascii() or not value.isdecimal() or not 0 < int(value[:9]) <= _MOST_HOURS:
        raise ValueError(f"{value!r} is not a whole number of hours from 1 to {_MOST_HOURS:,}")
    return timedelta(hours=int(value[:9]))


_Hours = Annotated[timedelta, BeforeValidator(_hours)]


class Settings(BaseSettings):
    """How to reach the marketplace. The environment wins over ``.env``.

    Attributes:
        endpoint: address of Appwrite's API, with ``/v1``, without a slash at the end.
        project_id: id of the Appwrite project.
        api_key: key of a server or an operator; None when it is not set.
        session: session secret of a user; None when it is not set.
        database: id of the database.
        freeze_after: how long after a booking's end its chat room freezes.

    """

    model_config = SettingsConfigDict(env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True)

    endpoint: _Endpoint = Field(alias="APPWRITE_ENDPOINT", examples=["https://fra.cloud.appwrite.io/v1"])
    project_id: _Id = Field(alias="APPWRITE_PROJECT_ID", examples=["my-project"])
    api_key: _Secret | None = Field(default=None, alias="APPWRITE_API_KEY")
    session: _Secret | None = Field(default=None, alias="APPWRITE_SESSION")
    database: _Id = Field(default=DATABASE, alias="MASSAGE_LINK_DATABASE", examples=[DATABASE])
    freeze_after: _Hours = Field(default=FREEZE_AFTER, alias="MASSAGE_LINK_CHAT_FREEZE_HOURS", examples=["48"])

    @classmethod
    def load(cls, env_file: str | Path | None = ".env", **told: str | None) -> Settings:
        """Read the settings.

        Args:
            env_file: a file of ``NAME=value`` lines; it need not be there. None reads the environment alone.
            told: settings by their variables' names, which go before environment and file; None sets one to nothing.

        Raises:
            SettingsError: one is missing or malformed; the message names it and says where it is set.

        """
        sources: dict[str, Any] = {"_env_file": env_file, **told}
        try:
            settings = cls(**sources)
        except ValidationError as error:
            raise SettingsError(_sentence(cls, error, env_file)) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{env_file} is not a text file in UTF-8.") from None
        if settings.api_key and settings.session:
            raise SettingsError("APPWRITE_API_KEY and APPWRITE_SESSION are both set; set the one to act with.")
        return settings

    def link_arguments(self) -> dict[str, Any]:
        """The arguments with which to make a `massage_link.MassageLink`."""
        return {
            "endpoint": self.endpoint,
            "project_id": self.project_id,
            "api_key": self.api_key.get_secret_value() if self.api_key else None,
            "session": self.session.get_secret_value() if self.session else None,
            "database": self.database,
            "freeze_after": self.freeze_after,
        }


class FunctionSettings(BaseSettings):
    """What Appwrite's runtime tells a function. Its key comes with each execution, in the header ``x-appwrite-key``.

    Attributes:
        told_endpoint: address of Appwrite's API, as the server believes it to be seen from the runtime.
        own_endpoint: where the API is instead; a variable of the project or the function. A self-hosted server whose
            domain is ``localhost`` tells its runtimes that name, which is themselves to them.
        project_id: id of the project.
        database: id of the database; a variable of the function, when it is not the usual one.
        freeze_after: how long after a booking's end its chat room freezes; likewise.

    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    told_endpoint: _Endpoint = Field(alias="APPWRITE_FUNCTION_API_ENDPOINT", examples=["http://appwrite/v1"])
    own_endpoint: _Endpoint | None = Field(
        default=None, alias="MASSAGE_LINK_FUNCTION_ENDPOINT", examples=["http://192.168.1.10/v1"]
    )
    project_id: _Id = Field(alias="APPWRITE_FUNCTION_PROJECT_ID", examples=["my-project"])
    database: _Id = Field(default=DATABASE, alias="MASSAGE_LINK_DATABASE", examples=[DATABASE])
    freeze_after: _Hours = Field(default=FREEZE_AFTER, alias="MASSAGE_LINK_CHAT_FREEZE_HOURS", examples=["48"])

    @property
    def endpoint(self) -> str:
        """Where the API is reached from the runtime."""
        return self.own_endpoint or self.told_endpoint

    @classmethod
    def load(cls) -> FunctionSettings:
        """Read the variables of the runtime.

        Raises:
            SettingsError: one is missing or malformed: this is not running as an Appwrite Function.

        """
        sources: dict[str, Any] = {}
        try:
            return cls(**sources)
        except ValidationError as error:
            raise SettingsError(_sentence(cls, error, None)) from None

    def link_arguments(self, api_key: str) -> dict[str, Any]:
        """The arguments with which to make a `massage_link.AsyncMassageLink` that acts with the execution's key."""
        return {
            "endpoint": self.endpoint,
            "project_id": self.project_id,
            "api_key": api_key,
            "database": self.database,
            "freeze_after": self.freeze_after,
        }


def _sentence(settings: type[BaseSettings], error: ValidationError, env_file: str | Path | None) -> str:
    # Never with the inputs: one of them may be a secret.
    errors = error.errors(include_url=False, include_input=False)
    names = {each["loc"][0] for each in errors}
    fields = [field for field in settings.model_fields.values() if field.alias in names]
    examples = [f"{field.alias}={field.examples[0]}" for field in fields if field.examples]
    example = f", for example {' and '.join(examples)}" if examples else ""
    place = "in the environment" if env_file is None else f"in the environment or in {env_file}"
    return f"{'; '.join(_faults(errors))}. Set {'it' if len(names) == 1 else 'them'} {place}{example}."


def _faults(errors: list[ErrorDetails]) -> Iterator[str]:
    for each in errors:
        name = each["loc"][0]
        yield f"{name} is not set" if each["type"] == "missing" else f"{name}: {each.get('ctx', {}).get('error')}"
