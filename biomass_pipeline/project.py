"""One project: its configuration, where its relative paths start, and where artefacts go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from biomass_pipeline.config import Config, find_config_file, load_config
from biomass_pipeline.layout import Layout


@dataclass(frozen=True)
class Project:
    """A configuration that can be read again, so that a running UI sees an edited file.

    Attributes:
        file: The configuration; None means the built-in one.
        overrides: `section.key=value` assignments that win over the file.
        environment: Variables that win over the file, `BIOMASS__SECTION__KEY`.
        config: The configuration as it was when the project was opened.
    """

    file: Path | None
    overrides: tuple[str, ...]
    # Passwords and keys are among them.
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    config: Config

    @classmethod
    def open(
        cls,
        file: Path | None = None,
        *,
        overrides: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Open the project of a file, of `BIOMASS_CONFIG`, of `biomass.yaml` here, or the demo's.

        Raises:
            MissingInputError: The file does not exist.
            ConfigError: It is not valid.
        """
        found = find_config_file(file)
        variables = dict(os.environ if environment is None else environment)
        config = load_config(found, overrides=overrides, environment=variables)
        return cls(found, overrides, tuple(sorted(variables.items())), config)

    def reread(self) -> Config:
        """The configuration as it is on disk now."""
        return load_config(self.file, overrides=self.overrides, environment=dict(self.environment))

    @property
    def base(self) -> Path:
        """The folder that relative paths in the configuration start from."""
        return self.file.resolve().parent if self.file else Path.cwd()

    @property
    def layout(self) -> Layout:
        """Where the artefacts are."""
        return Layout(self.base / (self.config.root or f"data/{self.config.name}"))
