"""Where each artefact lives under the root folder. Paths only: nothing is read or written here."""

from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.errors import StrayNameError


def plain_name(name: str) -> str:
    """A name that may be part of a path, given back.

    What names a folder here may have been read from a file that others write.

    Raises:
        StrayNameError: As a part of a path it would lead out of its folder.
    """
    if name in {"", ".", ".."} or any(letter in name for letter in "/\\\0"):
        raise StrayNameError(name)
    return name


@dataclass(frozen=True)
class Layout:
    """The artefact paths of one project (a contract: other tools read these files)."""

    root: Path

    def name(self, path: Path) -> str:
        """What an artefact is called, wherever the root folder lies: its path from there."""
        return path.relative_to(self.root).as_posix()

    def table(self, name: str) -> Path:
        """An unpartitioned table, for example `image_manifest`."""
        folder = _TABLE_FOLDERS.get(name)
        return (self.root / folder if folder else self.root) / f"{name}.parquet"

    def partitioned_table(self, name: str, part: int | str) -> Path:
        """One fold's table, for example of `patch_index`, or one protocol's."""
        folder = self.root / _TABLE_FOLDERS.get(name, "") / name
        return folder / f"{plain_name(part) if isinstance(part, str) else f'fold_{part}'}.parquet"

    def feature_cache(self, fingerprint: str, fold: int | None) -> Path:
        """The HDF5 file of one fold under one extraction; None for the photos without labels."""
        name = INFERENCE if fold is None else f"fold_{fold}"
        return self.features(fingerprint) / f"{name}.h5"

    def features(self, fingerprint: str) -> Path:
        """All folds of one extraction."""
        return self.extractions / plain_name(fingerprint)

    @property
    def extractions(self) -> Path:
        """All extractions, a folder each."""
        return self.root / "features"

    def checkpoint(self, fingerprint: str, fold: int) -> Path:
        """The folder of one fold's checkpoints under one training fingerprint."""
        return self.root / "checkpoints" / plain_name(fingerprint) / f"fold_{fold}"

    def checkpoint_pointer(self, name: str, fold: int) -> Path:
        """The small file that says which checkpoint of a fold is the current one."""
        return self.root / "checkpoints" / f"{name}_{fold}.json"

    def document(self, name: str) -> Path:
        """A document, for example the `evaluation` or the `report`."""
        return self.root / _DOCUMENTS[name]

    @property
    def metrics(self) -> Path:
        """Scores with their floors."""
        return self.document("evaluation")

    @property
    def protocols(self) -> Path:
        """Scores under other ways to hold photos out."""
        return self.document("protocols")

    @property
    def report(self) -> Path:
        """The page people read."""
        return self.document("report")

    @property
    def submission(self) -> Path:
        """Predictions of the photos without labels, in the order that was asked for."""
        return self.document("submission")

    @property
    def studies(self) -> Path:
        """The trials of all searches of settings, in SQLite."""
        return self.root / "tuning" / "studies.sqlite3"

    @property
    def recommended(self) -> Path:
        """The settings that tuning recommends, as a configuration's `training` section."""
        return self.root / "tuning" / "best.yaml"

    @property
    def benchmark(self) -> Path:
        """What this machine can do, for a program."""
        return self.root / "benchmark" / "bench.json"

    @property
    def benchmark_figure(self) -> Path:
        """The same, drawn."""
        return self.root / "benchmark" / "bench.png"

    @property
    def image_sidecar(self) -> Path:
        """Hashes of unchanged images; may be deleted at any time."""
        return self.root / ".image_hashes.parquet"

    @property
    def last_run(self) -> Path:
        """What the last complete `biomass run` looked at; may be deleted at any time."""
        return self.dagster_home / "last_run.json"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage for this project."""
        return self.root / "dagster"


# Of the cache of photos without labels, beside those of the folds.
INFERENCE = "inference"
_TABLE_FOLDERS = {
    "oof_predictions": "predictions",
    "predictions": "predictions",
    "protocol_predictions": "evaluation",
    "tuning_study": "tuning",
}
_DOCUMENTS = {
    "evaluation": Path("evaluation", "metrics.json"),
    "protocols": Path("evaluation", "protocols.json"),
    "tuning": Path("tuning", "tuning.json"),
    "report": Path("report", "report.html"),
    "submission": Path("predictions", "submission.csv"),
}
