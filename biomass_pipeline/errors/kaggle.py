"""Errors about what is carried to Kaggle and what its kernels find there."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError


class KaggleNameError(BiomassError):
    """Kaggle would refuse a name of a kernel or dataset."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in dict.fromkeys(problems))
        super().__init__(
            f"Kaggle would refuse these names:\n{listed}\nChoose another `--user`, `--slug`, "
            f"`--competition` or `--weights-dataset`; a slug of 5 to 41 letters, digits and single "
            f"dashes always fits."
        )


class AttachedInputError(BiomassError):
    """Something that a kernel needs is not attached to it, or more than once."""

    exit_code = 2

    def __init__(self, what: str, folder: Path, *, found: Sequence[Path], option: str) -> None:
        listed = ", ".join(map(str, found)) or "none"
        advice = f", or name one with `{option}` in SETTINGS" if option and found else ""
        super().__init__(
            f"Exactly one {what} is expected under {folder}; found: {listed}. Attach it to the "
            f"kernel (Add Input, or the sources in kernel-metadata.json) and nothing else of its "
            f"kind{advice}."
        )
