"""Whatever is thrown at the product is read well or refused by name, in time and in bounds.

`BIOMASS_FUZZ_ITEMS` multiplies how many items there are, `BIOMASS_FUZZ_SEED` gives other ones.
"""

import os
from collections import Counter

import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold
from biomass_pipeline_tests.fuzz import configurations, files, folders, liars, photos, tables
from biomass_pipeline_tests.fuzz.trial import faults, summary, try_all
from biomass_pipeline_tests.mil.conftest import QUICK, make_field
from biomass_pipeline_tests.store.fold import fold_of, folder_at, write

TIMES = int(os.environ.get("BIOMASS_FUZZ_ITEMS", "1"))
SEED = int(os.environ.get("BIOMASS_FUZZ_SEED", "0"))

pytestmark = pytest.mark.slow


@pytest.fixture
def law(tmp_path):
    """Hold the law over items; how they were taken comes back, and is printed."""

    def hold(attempt, items):
        outcomes = try_all(attempt, items, tmp_path)
        counted = Counter()
        for verdict, number in summary(outcomes).items():
            counted["quarantined" if verdict.startswith("quarantined") else verdict] += number
        print(dict(counted), f"{max(found.peak_bytes for found in outcomes) / 1e6:.0f} MB at most")  # noqa: T201  # for who runs it longer
        assert faults(outcomes) == []
        return counted

    return hold


def test_photos_damaged_by_chance(law):
    counted = law(photos.read_photos, photos.damaged_photos(1_000 * TIMES, seed=SEED))
    # Were nothing read, or all of it, the damage would not be worth its name.
    assert min(counted["read"], counted["quarantined"]) > 100


def test_photos_that_lie(law):
    assert law(photos.read_photos, liars.liars())["quarantined"] > 400


def test_folders_of_strange_files(law):
    law(photos.read_made, folders.folders())


def test_label_tables_damaged_by_chance(law):
    counted = law(tables.read_table, tables.damaged_tables(300 * TIMES, seed=SEED))
    assert min(counted["read"], counted["named error: LabelTableError"]) > 30


def test_large_label_tables(law):
    law(tables.read_table, tables.large_tables())


def test_configurations(law):
    law(configurations.read_configuration, configurations.configurations(200 * TIMES, seed=SEED))


def test_assignments(law):
    law(configurations.set_a_value, configurations.assignments())


def test_caches(law, tmp_path):
    one, two = (
        write(folder_at(tmp_path / name), 0, fold_of(*contents))[0].cache.path.read_bytes()
        for name, contents in (("one", (("a", "c1"), ("b", "c2"))), ("two", (("a", "c9"),)))
    )
    law(
        files.read_cache,
        files.damaged_files(300 * TIMES, seed=SEED, source=one, other=two),
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    field, training = make_field(DataConfig(), 16), {"epochs": 1, "n_seeds": 1}
    recipe = Recipe(DataConfig(), QUICK.model_copy(update=training), fingerprint=files.CHECKPOINT)
    folder = tmp_path_factory.mktemp("trained") / "fold_0"
    train_fold(field.features, field.labels, recipe=recipe, checkpoint_folder=folder)
    return (folder / "seed_0.ckpt").read_bytes()


def test_checkpoints_damaged_by_chance(law, checkpoint):
    items = files.damaged_files(200 * TIMES, seed=SEED, source=checkpoint, other=checkpoint[::-1])
    law(files.read_checkpoint, items)


def test_checkpoints_changed_on_purpose(law, checkpoint):
    law(files.read_checkpoint, files.changed_checkpoints(200 * TIMES, seed=SEED, source=checkpoint))
