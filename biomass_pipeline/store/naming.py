"""Names of cache files: one a fold, one of the photos without labels, and what lies beside them."""

from pathlib import Path

from biomass_pipeline.layout import INFERENCE

# Of a name that is none of ours.
NO_FOLD = -1
_FOLD = "fold_"


def cache_files(folder: Path, ending: str = "") -> list[Path]:
    """The files of one extraction: those of folds in order of name, then the unlabelled photos'.

    Args:
        folder: The extraction's.
        ending: How their names end, such as `.h5`; any if empty.
    """
    stems = f"{_FOLD}*", f"{INFERENCE}*"
    return [path for stem in stems for path in sorted(folder.glob(f"{stem}{ending}"))]


def all_cache_files(extractions: Path, ending: str = "") -> list[Path]:
    """The files of every extraction, one extraction after another.

    Args:
        extractions: The folder of all of them.
        ending: How their names end, such as `.h5.partial`; any if empty.
    """
    folders = sorted(path for path in extractions.glob("*") if path.is_dir())
    return [path for folder in folders for path in cache_files(folder, ending)]


def fold_of(path: Path) -> int | None:
    """Which fold a file is of; None: of the photos without labels; -1: its name is none of ours.

    >>> fold_of(Path("fold_3.1.superseded")), fold_of(Path("inference.h5.partial"))
    (3, None)
    """
    stem = path.name.partition(".")[0]
    if stem == INFERENCE:
        return None
    number = stem.removeprefix(_FOLD)
    return int(number) if number.isdecimal() and stem != number else NO_FOLD


def part_name(fold: int | None) -> str:
    """A fold, or the photos without labels, as people are told of them.

    >>> part_name(3), part_name(None)
    ('fold 3', 'unlabelled photos')
    """
    return "unlabelled photos" if fold is None else f"fold {fold}"
