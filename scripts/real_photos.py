"""Run the product on real photos and hold it to its promises: scores, increments, a network.

Usage: python scripts/real_photos.py FOLDER, where FOLDER holds `images/` and `labels.csv` (the
wheat cover photos). Everything is copied to a temporary folder and driven through the command
line. Ends with an error at the first promise that is not kept.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from promises import SLACK, promise, r2_of

from biomass_pipeline.store import open_cache

HELD_BACK = 5
RIDGE_BAR, DEFAULT_BAR, MIL_BAR = 0.95, 0.95, 0.90
QUARANTINED = 3


class Field:
    """A project on a copy of the photos."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.labels = folder / "labels.csv"

    def init(self, *options: str) -> None:
        """Write the configuration as a user would."""
        self.biomass("init", "--images", "images", "--labels", "labels.csv", *options)

    def run(self, *options: str) -> dict:
        """Run what is stale; the summary, with its exit code."""
        done = self.biomass("run", "--json", *options)
        return json.loads(done.stdout) | {"exit_code": done.returncode}

    def biomass(self, *arguments: str) -> subprocess.CompletedProcess:
        """Call the command line."""
        done = subprocess.run(
            [sys.executable, "-c", "from biomass_pipeline.cli import main; main()", *arguments],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("BIOMASS_")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, QUARANTINED):
            sys.exit(f"biomass {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def rows(self) -> dict[str, bytes]:
        """Each content's feature rows, as stored."""
        found = {}
        for path in sorted(self.folder.glob("data/*/features/*/fold_*.h5")):
            features = open_cache(path, path.parent.name).load()
            for i, sha in enumerate(features.image_sha256):
                found[sha] = features.bag(i).tobytes()
        return found


def copy_of(source: Path, folder: Path, names: list[str]) -> Field:
    """The label file and the photos named."""
    field = Field(folder)
    field.images.mkdir(parents=True)
    shutil.copy(source / "labels.csv", field.labels)
    for name in names:
        shutil.copy(source / "images" / name, field.images / name)
    return field


def late_photos(source: Path, folder: Path) -> Field:
    """Hold five photos back, add them, and look at the scores."""
    names = sorted(path.name for path in (source / "images").iterdir())
    late = names[:: len(names) // HELD_BACK][:HELD_BACK]
    field = copy_of(source, folder, [name for name in names if name not in late])
    field.init()

    first = field.run()
    promise(
        first["photos_embedded"] == len(names) - HELD_BACK
        and first["quarantined"] == HELD_BACK
        and first["exit_code"] == QUARANTINED,
        f"without {HELD_BACK} photos: {first['photos_embedded']} embedded, "
        f"{first['quarantined']} labels without photo, {first['seconds']} s",
    )
    before = field.rows()

    for name in late:
        shutil.copy(source / "images" / name, field.images / name)
    second = field.run()
    after = field.rows()
    promise(
        second["photos_embedded"] == HELD_BACK and second["exit_code"] == 0,
        f"{HELD_BACK} photos added: {second['photos_embedded']} embedded, {second['seconds']} s",
    )
    promise(
        {sha: after[sha] for sha in before} == before,
        f"the rows of the other {len(before)} photos are byte-equal",
    )
    r2 = r2_of(second)
    promise(r2["ridge"] >= RIDGE_BAR, f"ridge, dates held out: R2 {r2['ridge']:.4f} >= {RIDGE_BAR}")
    promise(
        r2["auto"] >= DEFAULT_BAR and r2["auto"] >= r2["ridge"] - SLACK,
        f"default, dates held out: R2 {r2['auto']:.4f} >= {DEFAULT_BAR}, and the ridge's - {SLACK}",
    )
    promise(r2["mil"] >= MIL_BAR, f"network, dates held out: R2 {r2['mil']:.4f} >= {MIL_BAR}")
    print(f"        constant floor: R2 {r2['constant']:.4f}")
    return field


def what_changes_nothing(field: Field) -> None:
    """Run again, touch a photo, rename another."""
    after, name = field.rows(), sorted(path.name for path in field.images.iterdir())[1]
    nothing = field.run()
    promise(not nothing["materialized"], f"nothing changed: nothing ran, {nothing['seconds']} s")

    (field.images / name).touch()
    touched = field.run()
    promise(not touched["materialized"], f"one photo touched: nothing ran, {touched['seconds']} s")

    scores = r2_of(field.run())
    (field.images / name).rename(field.images / "renamed.png")
    text = field.labels.read_text(encoding="utf-8")
    field.labels.write_text(text.replace(name, "renamed.png"), encoding="utf-8")
    renamed = field.run()
    promise(
        renamed["photos_embedded"] == 0 and field.rows() == after and r2_of(renamed) == scores,
        f"one photo renamed: {renamed['photos_embedded']} embedded, the same scores "
        f"({r2_of(renamed)} after {scores}), "
        f"{renamed['seconds']} s",
    )


def another_recipe(field: Field) -> None:
    """Change the learning rate, and change it back."""
    before = r2_of(field.run())
    retrained = field.run("--set", "training.learning_rate=0.002")
    checkpoints = [name for name in retrained["materialized"] if name.startswith("mil_checkpoint")]
    promise(
        retrained["photos_embedded"] == 0 and len(checkpoints) == 5,  # noqa: PLR2004  # folds
        f"another learning rate: {retrained['photos_embedded']} embedded, {len(checkpoints)} folds "
        f"retrained, {retrained['seconds']} s",
    )

    restored = field.run()
    promise(
        r2_of(restored) == before,
        f"the first rate again: the same scores from the old checkpoints, {restored['seconds']} s",
    )


def a_damaged_photo(field: Field) -> None:
    """Cut a photo's file in half."""
    after, path = field.rows(), sorted(field.images.iterdir())[2]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    corrupt = field.run()
    kept = field.rows()
    promise(
        corrupt["quarantined"] == 1
        and corrupt["exit_code"] == QUARANTINED
        and corrupt["photos_embedded"] == 0
        and len(kept) == len(after) - 1
        and all(after[sha] == rows for sha, rows in kept.items()),
        f"one photo cut in half: {corrupt['quarantined']} quarantined, the other {len(kept)} "
        f"unchanged, {corrupt['seconds']} s",
    )


def real_network(source: Path, folder: Path) -> None:
    """Four photos of four dates through DINOv2's small ViT, with random weights."""
    table = pd.read_csv(source / "labels.csv").drop_duplicates("date").head(4)
    field = copy_of(source, folder, [Path(path).name for path in table["image_path"]])
    table.to_csv(field.labels, index=False)
    field.init()
    done = field.run(
        *("--set", "backbone.name=vit_small_patch14_reg4_dinov2"),
        *("--set", "backbone.random_weights=true"),
        *("--set", "folds.n_folds=2"),
    )
    promise(
        done["photos_embedded"] == len(table) and done["metrics"] is not None,
        f"vit_small_patch14_reg4_dinov2, random weights: the whole graph ran on "
        f"{done['photos_embedded']} photos, {done['seconds']} s",
    )


def main() -> None:
    """Run both parts in a temporary folder."""
    source = Path(sys.argv[1]).resolve()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        field = late_photos(source, Path(folder) / "wheat")
        what_changes_nothing(field)
        another_recipe(field)
        a_damaged_photo(field)
        real_network(source, Path(folder) / "network")
    print(f"real photos: every promise kept, {time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()
