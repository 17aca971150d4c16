"""One look at the sources, and runs that nobody watches leave alone what is being written."""

import pytest

from biomass_pipeline.errors import VanishedPhotosError
from biomass_pipeline.manifest import ImageFolder, Sight
from biomass_pipeline.manifest.sidecar import Record, remember
from biomass_pipeline.orchestration import build_resources
from biomass_pipeline.orchestration.lookout import Lookout
from biomass_pipeline_tests.farm import build_farm


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path, n_sessions=3)


@pytest.fixture
def lookout(farm):
    farm.write(automation={"settle_s": 0})
    return Lookout(farm.project())


def test_each_source_has_a_digest_of_its_own(farm, lookout):
    before = lookout.look().sight
    farm.photo("new.png", 9)
    photos = lookout.look().sight
    farm.label("new.png", "2024-05-01", 9.0)
    farm.write(automation={"settle_s": 0})
    labels = lookout.look().sight
    farm.write(automation={"settle_s": 0}, training={"epochs": 9})
    training = lookout.look().sight
    assert photos == Sight(photos.photos, before.labels, before.training) != before
    assert labels == Sight(photos.photos, labels.labels, before.training) != photos
    assert training == Sight(photos.photos, labels.labels, training.training) != labels


def test_settings_that_train_nothing_are_no_news(farm, lookout):
    before = lookout.look().sight
    farm.write(automation={"settle_s": 0, "interval_s": 99}, evaluation={"n_draws": 21})
    assert lookout.look().sight == before


def test_a_look_opens_no_photo(farm, lookout, monkeypatch):
    monkeypatch.setattr(ImageFolder, "open", None)
    assert len(lookout.look().files) == 6


def test_all_photos_gone_at_once_are_a_disk_that_is_not_mounted(farm, lookout):
    for path in (farm.folder / "photos").iterdir():
        path.unlink()
    assert lookout.look().files == ()
    remember([Record("a.png", "s", "", 1)], sidecar=farm.project().layout.image_sidecar)
    with pytest.raises(VanishedPhotosError, match="There is no photo in photos any more"):
        lookout.look()


@pytest.mark.parametrize(("settle", "n_photos"), [(True, 0), (False, 6)])
def test_only_runs_that_nobody_watches_leave_new_photos_alone(farm, settle, n_photos):
    resources = build_resources(farm.project(), settle=settle)
    manifest = resources["photos"].manifest(resources["labels"].read())
    assert (
        int(manifest["path"].isin(farm.rows).sum())
        - int(manifest["reason"].str.startswith("label without").sum())
        == n_photos
    )
