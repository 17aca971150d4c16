"""What looks around by itself: each tick asks once, survives what is gone, and tells once."""

import json
import os
import shutil

import pytest

from biomass_pipeline.manifest import ImageFolder
from biomass_pipeline.manifest.sidecar import Record, remember
from biomass_pipeline.orchestration.sensors import (
    arrivals_sensor,
    build_sensors,
)
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.orchestration.ticking import CAUSE, Ticking, storage

NOW_S = 1_700_000_000.0


@pytest.fixture
def farm(tmp_path):
    farm = build_farm(tmp_path, n_sessions=3)
    age(farm)
    return farm


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with storage(tmp_path_factory.mktemp("home")) as instance:
        yield instance


def age(farm):
    """Every photo was changed long ago."""
    for path in (farm.folder / "photos").rglob("*.*"):
        os.utime(path, (NOW_S, NOW_S))


def remembered(farm):
    """The photos as an observation leaves them."""
    files = ImageFolder("photos", base=farm.folder).files()
    records = [Record(file.path, file.stamp, "0" * 64, file.n_bytes) for file in files]
    remember(records, sidecar=farm.project().layout.image_sidecar)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tick(farm, instance, clock):
    return Ticking(arrivals_sensor(farm.project(), clock=clock), instance)


@pytest.fixture
def settled(farm, tick):
    """A farm whose photos are known, and were asked for."""
    remembered(farm)
    assert [tick.asked(), tick.asked()] == [[], ["first look"]]
    return farm


class TestSwitches:
    def test_they_are_off_until_somebody_wants_them(self, farm):
        sensors = build_sensors(farm.project())
        names = ["arrivals", "automation", "failed_runs", "quarantine"]
        assert [sensor.name for sensor in sensors] == names
        assert {sensor.default_status.value for sensor in sensors} == {"STOPPED"}
        farm.write(automation={"enabled": True, "interval_s": 45})
        sensors = build_sensors(farm.project())
        assert {sensor.default_status.value for sensor in sensors} == {"RUNNING"}
        assert sensors[0].minimum_interval_seconds == 45

    def test_each_says_in_plain_words_what_it_does(self, farm):
        for sensor in build_sensors(farm.project()):
            assert len(sensor.description.split()) > 8
            assert sensor.description.endswith(".")


class TestArrivals:
    def test_a_first_look_asks_once_when_it_was_the_same_twice(self, tick):
        assert tick.skipped() == "Something is changing: 6 photos."
        (request,) = tick().run_requests
        assert request.tags == {CAUSE: "6 photos arrived"}
        assert tick.skipped() == "Nothing changed: 6 photos."
        assert json.loads(tick.cursor)["counter"] == 1

    def test_it_asks_for_the_job_that_looks(self, farm):
        assert arrivals_sensor(farm.project()).job_name == "observe"

    @pytest.mark.usefixtures("settled")
    def test_nothing_new_asks_for_nothing(self, tick):
        assert [tick.asked() for _ in range(5)] == [[]] * 5

    def test_a_thousand_arrivals_make_one_run(self, settled, tick):
        causes = []
        for hundred in range(10):
            for number in range(100):
                path = settled.folder / f"photos/new/{hundred}_{number}.png"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"x")
            age(settled)
            causes += tick.asked()
        for _ in range(5):
            causes += tick.asked()
        assert causes == ["1000 photos arrived"]

    def test_the_cause_says_what_happened(self, settled, tick):
        settled.photo("new.png", 7)
        (settled.folder / "photos/s0n0.png").write_bytes(b"other")
        (settled.folder / "photos/s1n0.png").unlink()
        settled.label("new.png", "2024-05-01", 1.0)
        settled.write(training={"epochs": 3})
        age(settled)
        told = "1 photo arrived, 1 photo changed, 1 photo is gone, "
        told += "the label file changed, the training section changed"
        assert [tick.asked(), tick.asked()] == [[], [told]]

    def test_a_photo_that_is_still_written_is_not_there_yet(self, settled, tick):
        half = settled.photo("half.png", 7)
        assert tick.skipped() == "Nothing changed: 7 photos, 1 of them still being written."
        os.utime(half, (NOW_S, NOW_S))
        assert [tick.asked(), tick.asked()] == [[], ["1 photo arrived"]]

    def test_a_photo_that_grows_from_tick_to_tick_is_waited_for(self, settled, tick):
        path = settled.folder / "photos/slow.png"
        for size in range(1, 6):
            path.write_bytes(b"x" * size)
            os.utime(path, (NOW_S, NOW_S + size))
            assert tick.asked() == []
        assert tick.asked() == ["1 photo arrived"]

    def test_a_marker_holds_an_upload_back(self, settled, tick):
        settled.photo("lot/one.png", 7)
        marker = settled.folder / "photos/lot/.uploading"
        marker.touch()
        age(settled)
        assert [tick.asked() for _ in range(3)] == [[], [], []]
        marker.unlink()
        assert [tick.asked(), tick.asked()] == [[], ["1 photo arrived"]]

    def test_patience_ends(self, settled, tick, clock):
        asked = []
        for number in range(20):
            clock.now_s = 100.0 * number
            settled.photo(f"n{number}.png", number)
            age(settled)
            asked.append(tick.asked())
        assert [number for number, causes in enumerate(asked) if causes] == [9, 19]
        assert asked[9] == ["10 photos arrived"]

    def test_a_folder_that_vanished_is_no_error_and_comes_back(self, settled, tick):
        photos, away = settled.folder / "photos", settled.folder / "away"
        photos.rename(away)
        assert tick.skipped().startswith("There is no photo folder at photos")
        away.rename(photos)
        # Perhaps the run that was asked for found no folder either: it is asked for once more.
        assert [tick.asked(), tick.asked(), tick.asked()] == [[], ["first look"], []]

    def test_a_disk_that_is_not_mounted_empties_nothing(self, settled, tick):
        shutil.move(settled.folder / "photos", settled.folder / "away")
        (settled.folder / "photos").mkdir()
        for _ in range(3):
            assert "There is no photo in photos any more; there were 6" in tick.skipped()

    @pytest.mark.usefixtures("settled")
    def test_a_configuration_in_the_middle_of_an_edit_is_waited_for(self, farm, tick):
        file = farm.folder / "biomass.yaml"
        text = file.read_text()
        file.write_text(text + "\ntraining: [")
        before = tick.cursor
        assert "is not a valid configuration" in tick.skipped()
        assert tick.cursor == before
        file.write_text(text)
        assert tick.skipped() == "Nothing changed: 6 photos."

    def test_a_label_file_that_is_gone_and_comes_back_is_seen(self, settled, tick):
        file = settled.folder / "labels.csv"
        text = file.read_text()
        file.unlink()
        assert [tick.asked(), tick.asked()] == [[], ["the label file changed"]]
        file.write_text(text)
        assert [tick.asked(), tick.asked()] == [[], ["the label file changed"]]

    def test_run_keys_repeat_only_where_a_tick_is_repeated(self, settled, tick):
        settled.photo("new.png", 7)
        age(settled)
        tick()
        cursor = tick.cursor
        (first,) = tick().run_requests
        tick.cursor = cursor  # the daemon died before it kept the cursor
        (again,) = tick().run_requests
        assert first.run_key == again.run_key
        (settled.folder / "photos/new.png").unlink()
        assert [tick.asked(), tick.asked()] == [[], ["files were touched"]]
        settled.photo("new.png", 7)
        age(settled)
        tick()
        (later,) = tick().run_requests
        assert later.run_key != first.run_key
