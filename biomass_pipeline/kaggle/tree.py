"""Where Kaggle puts what is attached to a kernel, found by what it is and not by where it is.

Kaggle has mounted inputs under `input/<slug>` and under folders by kind and owner. A kernel that
looks for the files themselves runs under either, and in a folder laid out alike elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.errors import AttachedInputError
from biomass_pipeline.store.naming import NO_FOLD, fold_of

TRAIN, TEST, SUBMISSION = "train.csv", "test.csv", "submission.csv"
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Tree:
    """The folders of a kernel.

    Attributes:
        root: `/kaggle` on Kaggle.
    """

    root: Path = Path("/kaggle")

    @property
    def input(self) -> Path:
        """What is attached, for reading only."""
        return self.root / "input"

    @property
    def working(self) -> Path:
        """What stays after the kernel: 20 GB at most."""
        return self.root / "working"

    @property
    def temp(self) -> Path:
        """What is deleted after the kernel."""
        return self.root / "temp"

    def competition(self) -> Path:
        """The folder that holds both `train.csv` and `test.csv`.

        Raises:
            AttachedInputError: There is none, or more than one.
        """
        found = [path.parent for path in self._files(TEST) if (path.parent / TRAIN).is_file()]
        if len(found) != 1:
            raise AttachedInputError(
                f"competition with {TRAIN} and {TEST}", self.input, found=found, option=""
            )
        return found[0]

    def caches(self) -> list[Path]:
        """The files of features that another kernel or a dataset brings, by path."""
        return [path for path in self._files("*.h5") if fold_of(path) != NO_FOLD]

    def weights(self, name: str | None) -> Path | None:
        """A backbone's weights.

        Args:
            name: The file's; None: the only file of weights there is, or None.

        Raises:
            AttachedInputError: There is none of this name, or several.
        """
        found = [
            path
            for path in self._files("*" if name is None else name)
            if path.suffix in _WEIGHTS and path.is_file()
        ]
        if name is None and not found:
            return None
        if len(found) != 1:
            what = "file of weights" if name is None else f"file {name}"
            raise AttachedInputError(what, self.input, found=found, option="backbone.checkpoint")
        return found[0]

    def _files(self, pattern: str) -> Iterator[Path]:
        return iter(sorted(self.input.rglob(pattern)))
