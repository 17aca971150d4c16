"""What kernels say and leave, on a tree of tiny photos, in this process."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.features import Progress
from biomass_pipeline.kaggle.kernels import (
    extract_caches,
    measured_rate,
    paced,
    train_and_submit,
)
from biomass_pipeline.kaggle.tree import Tree
from biomass_pipeline.testing import FixedClock, MeanColourBackbone
from biomass_pipeline_tests.kaggle.grass import settings_text


def test_a_rate_counts_each_device_once():
    clock = FixedClock()

    class Slow(MeanColourBackbone):
        def embed(self, tiles):
            clock.forward(0.5)
            return super().embed(tiles)

    one, other = Slow(), Slow()
    assert measured_rate([one, one], clock=clock).tiles_per_s == pytest.approx(4 / 0.5)
    found = measured_rate([one, one, other, other], clock=clock)
    assert found.tiles_per_s == pytest.approx(2 * 4 / 0.5)
    assert (found.feature_dim, found.source) == (3, "measured now on 4 tiles")


def test_progress_is_said_twice_a_minute_at_the_pace_since_the_last_time():
    clock, said = FixedClock(), []
    report = paced(said.append, clock=clock)
    steps = [(29, 1, 10), (31, 2, 20), (10, 1, 5), (25, 2, 10), (5, 3, 15)]
    for seconds, n_photos, n_tiles in steps:
        clock.forward(seconds)
        report(Progress(n_photos, n_tiles, 4, 40))
    # 20 tiles in 60 s; then another part: 10 in 35 s. The last one comes too soon.
    assert said == ["  2 of 4 photos, 0.333 tiles/s", "  2 of 4 photos, 0.286 tiles/s"]


def test_a_mistake_is_a_sentence_at_the_end_of_the_log_and_an_exit_code(tree):
    said = []
    with pytest.raises(SystemExit) as ended:
        extract_caches("", tree=tree, say=said.append)
    assert ended.value.code == 2
    assert said[-1].startswith("error: Exactly one competition with train.csv and test.csv")


@pytest.fixture(scope="module")
def embedded(competition, tmp_path_factory):
    """A tree in which the first kernel's output is attached to the second; not to be touched."""
    tree = Tree(tmp_path_factory.mktemp("embedded") / "kaggle")
    tree.working.mkdir(parents=True)
    competition.attach(tree, hidden=True)
    said = []
    extract_caches(settings_text(), tree=tree, limit_hours=1e-9, say=said.append)
    tree.working.rename(tree.input / "grass-features")
    return SimpleNamespace(tree=tree, said=said)


@pytest.fixture
def second(embedded, tree):
    """A copy of it, to be touched."""
    shutil.copytree(embedded.tree.input, tree.input, dirs_exist_ok=True)
    return tree


def test_the_first_kernel_says_what_it_will_take_before_and_what_it_took(embedded):
    said = embedded.said
    assert said[2].startswith("to embed: 24 photos, 48 tiles; ")
    assert "measured now" in said[2]
    assert "peak memory" in said[3]
    assert said[4].startswith("WARNING: about ")
    assert said[-1].startswith("took ")


def test_ids_that_the_test_file_asks_for_in_vain_are_named_before_anything_is_trained(second):
    order = second.competition() / "test.csv"
    table = pd.read_csv(order, dtype=str)
    stranger = table.iloc[:1].assign(sample_id="ID7__Dry_Dead_g", image_path="test/ID7.jpg")
    pd.concat([table, stranger]).to_csv(order, index=False)
    said = []
    with pytest.raises(SystemExit) as ended:
        train_and_submit(settings_text(), tree=second, say=said.append)
    assert ended.value.code == 1
    assert "1 asked for, but there is no prediction of them: ID7__Dry_Dead_g" in said[-1]
    assert not [line for line in said if "embed" in line]
    assert not list(second.working.iterdir())


def test_settings_of_other_tiles_embed_everything_anew_and_say_why(second):
    said = []
    settings = settings_text().replace("60", "30")
    train_and_submit(settings, tree=second, say=said.append)
    text = "\n".join(said)
    assert text.count("tile_px 60 instead of 30") == 3
    assert "to embed: 24 photos, 192 tiles" in text
    found = pd.read_csv(second.working / "submission.csv")
    assert len(found) == 30
    assert np.isfinite(found["target"]).all()
