"""Errors about the configuration, the folders and the device."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError
from biomass_pipeline.plain import without_secrets

_SHOWN = 80


class ConfigError(BiomassError):
    """The configuration cannot be read or does not make sense."""

    exit_code = 2

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{source} is not a valid configuration:\n{lines}\nMend it and run again.")


class MissingInputError(BiomassError):
    """A file or folder that the configuration or an option names is not there."""

    exit_code = 2

    def __init__(self, what: str, location: str, *, option: str) -> None:
        advice = (
            f"Give an existing one with `{option}`."
            if option.startswith("-")
            else f"Set `{option}` in the configuration to an existing one, or run `biomass init` "
            f"to write a configuration for your data."
        )
        super().__init__(f"There is no {what} at {without_secrets(location)}. {advice}")


class MissingConfigurationError(BiomassError):
    """A verb was called where no configuration is, and no variable or option names data."""

    exit_code = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There is no configuration: no `--config`, no BIOMASS_CONFIG, and no biomass.yaml in "
            f"{folder}. Run `biomass init --images FOLDER --labels FILE` to write one for your "
            f"data, or `biomass demo` to try generated photos."
        )


class StrayNameError(BiomassError):
    """What should name a folder below another one would lead out of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:_SHOWN]!r} should be the name of one folder, such as a fingerprint, but would "
            f"lead elsewhere, so nothing is read or written there. Find the file that states it "
            f"(a cache that is attached, or `checkpoints/*.json` under the root), and delete it."
        )


class UnusableRootError(BiomassError):
    """Nothing can be written where the artefacts should go."""

    exit_code = 2

    def __init__(self, root: Path, why: str) -> None:
        super().__init__(
            f"Artefacts cannot be written under {root}: {why}. Set `root` in the configuration to "
            f"a folder that you may write to."
        )


class UnreachableLocationError(BiomassError):
    """A URL's kind of storage is unknown, or a package for it is not installed."""

    exit_code = 2

    def __init__(self, location: str, why: str) -> None:
        super().__init__(
            f"{without_secrets(location)} cannot be reached: {why}. Use a path or a URL such "
            f"as s3://bucket/photos; S3 and Google Storage come with "
            f"`pip install 'biomass-pipeline[s3]'` or `[gs]`."
        )


class UnusableDeviceError(BiomassError):
    """The configured device is not on this machine."""

    exit_code = 2

    def __init__(self, device: str, why: str) -> None:
        super().__init__(
            f"Device `{device}` cannot be used on this machine: {why}. Set `compute.device` to "
            f"auto, which takes what is there, or to cpu."
        )


class FileInTheWayError(BiomassError):
    """A file would be overwritten."""

    exit_code = 2

    def __init__(self, path: Path, *, option: str) -> None:
        super().__init__(
            f"{path} exists already and would be overwritten. Use `{option}`, or another name."
        )


class UnknownWordError(BiomassError):
    """A word that is not in the glossary was asked for."""

    exit_code = 2

    def __init__(self, word: str, *, near: str | None) -> None:
        hint = f"Did you mean `{near}`? " if near else ""
        super().__init__(
            f"The glossary has no `{word}`. {hint}`biomass explain` lists all its words."
        )


class NoRunError(BiomassError):
    """A folder was named as a run whose scores are to be compared, and there are none in it."""

    exit_code = 2

    def __init__(self, root: Path, missing: Path) -> None:
        super().__init__(
            f"{root} is not the root folder of a run that was scored: there is no {missing}. Name "
            f"a root folder (data/NAME) or a configuration, after `biomass run`."
        )


class UnknownModelError(BiomassError):
    """A model was named that a run has no predictions of."""

    exit_code = 2

    def __init__(self, model: str, *, run: Path, known: Sequence[str], near: str | None) -> None:
        hint = f" Did you mean `{near}`?" if near else ""
        super().__init__(f"{run} has no model `{model}`.{hint} Known: {', '.join(known)}.")


class IncomparableRunsError(BiomassError):
    """Two runs share nothing that could be scored side by side."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The scores cannot be compared: {why}. Compare runs on photos and targets that they "
            f"share."
        )
