"""Settings: defaults, below them a TOML file, below them the environment, which wins.

A service declares its settings as a subclass of `Settings` with nested frozen models:
`LIANDONG_SERVER__LISTEN=0.0.0.0:7443` sets `server.listen`, and so does the file that `LIANDONG_CONFIG`
names. A wrong value stops the start, with one line for each mistake; values are not shown, since one of
them may be a secret.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from typing_extensions import override

PREFIX: Final = "LIANDONG_"
FILE_VARIABLE: Final = "LIANDONG_CONFIG"

S = TypeVar("S", bound="Settings")


class ConfigurationError(Exception):
    """The settings are wrong; `mistakes` has one line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistakes))


class Section(BaseModel):
    """Base of the nested parts of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(BaseSettings):
    """Base of a process's settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what is passed in, which is the file."""
        return env_settings, init_settings


def load(kind: type[S], file: Path | None = None) -> S:
    """Read the settings of a process.

    Args:
        kind: The process's settings.
        file: A TOML file; without, the one that `LIANDONG_CONFIG` names, if it names one.

    Raises:
        ConfigurationError: With one line for each mistake.
    """
    named = os.environ.get(FILE_VARIABLE)
    path = file or (Path(named) if named else None)
    values = _read(path) if path is not None else {}
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigurationError([_line(each) for each in error.errors(include_input=False)]) from None
    except SettingsError as error:
        raise ConfigurationError([f"The environment: {error}."]) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}."]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{path}: {error}."]) from None


def _line(mistake: Any) -> str:
    place = [str(part) for part in mistake["loc"]]
    variable = PREFIX + "__".join(part.upper() for part in place)
    return f"{'.'.join(place) or 'settings'} ({variable}): {mistake['msg']}."
