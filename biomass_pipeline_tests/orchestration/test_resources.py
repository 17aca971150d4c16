"""What fulfils the seams on disk: read at each use, versions by content, progress in lines."""

import logging
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from biomass_pipeline.assets.extraction import reading_of
from biomass_pipeline.config import Config, parse_config
from biomass_pipeline.errors import (
    ChangedWeightsError,
    ClusterPrecisionError,
    LabelTableError,
    MissingInputError,
    UnusableDeviceError,
)
from biomass_pipeline.features import Progress, backbone_identity, embed_here, usable_devices
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.orchestration import (
    LogReporter,
    Pace,
    build_resources,
    progress_line,
    training_line,
)
from biomass_pipeline.orchestration.resources import ConfiguredBackbone
from biomass_pipeline.project import Project
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.isolation import faults


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path, n_sessions=3)


@pytest.fixture
def resources(farm):
    return build_resources(farm.project())


def test_door_and_extraction_decode_in_processes_where_it_is_configured():
    asked = parse_config(
        {"compute": {"decode_processes": True, "decode_limit_s": 5}}, source="a test"
    )
    for config, isolation in ((asked, Isolation(limit_s=5)), (Config(), None)):
        photos = build_resources(Project(None, (), (), config))["photos"]
        assert photos.isolation == reading_of(config, photos).isolation == isolation


def test_the_manifest_is_made_as_the_folder_says(farm, resources):
    """Photos that kill their decoder are the proof that a process decodes them."""
    path = next((farm.folder / "photos").iterdir())
    path.write_bytes(faults.marked(path.read_bytes(), faults.quits))
    apart = Isolation(limit_s=30, prepare=faults.treacherous)
    photos = replace(resources["photos"], isolation=apart)
    found = photos.manifest(resources["labels"].read())
    assert found["reason"].str.startswith("the decoder ended").sum() == 1


class TestLabels:
    def test_the_version_is_that_of_the_bytes(self, farm, resources):
        labels, path = resources["labels"], farm.folder / "labels.csv"
        before = labels.version()
        path.touch()
        assert labels.version() == before
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        assert labels.version() != before
        path.write_bytes(content)
        assert labels.version() == before

    def test_a_file_that_is_gone_has_a_version_and_an_error_when_read(self, farm, resources):
        labels = resources["labels"]
        (farm.folder / "labels.csv").unlink()
        assert labels.version() == "missing"
        with pytest.raises(MissingInputError):
            labels.read()

    def test_the_file_that_a_submission_follows_is_a_part_of_the_version(self, farm, resources):
        before = resources["labels"].version()
        assert resources["labels"].order() is None
        farm.write(data={"submission": "test.csv"})
        labels = build_resources(farm.project())["labels"]
        assert labels.version() == f"{before}-missing"
        path = farm.folder / "test.csv"
        path.write_text("sample_id\nnew__mass_g\n")
        assert labels.version().startswith(f"{before}-")
        assert labels.order()["sample_id"].tolist() == ["new__mass_g"]
        path.unlink()
        with pytest.raises(MissingInputError, match=r"data\.submission"):
            labels.order()

    def test_it_is_parsed_as_configured(self, farm, resources):
        assert set(resources["labels"].read().table["image_path"]) == set(farm.rows)
        farm.label("s0n0.png", "2024-05-01", -1.0)
        farm.write()
        with pytest.raises(LabelTableError, match="line 2"):
            resources["labels"].read()


class TestPhotos:
    def test_the_version_is_that_of_paths_and_contents(self, farm, resources):
        photos = resources["photos"]
        before = photos.version()
        path = farm.folder / "photos" / "s0n0.png"
        path.touch()
        assert photos.version() == before
        farm.photo("s0n0.png", 250)
        assert photos.version() != before

    def test_photos_are_read_by_their_path_in_the_manifest(self, farm, resources):
        manifest = resources["photos"].manifest(resources["labels"].read())
        assert list(manifest["path"]) == sorted(farm.rows)
        with resources["photos"].open(manifest["path"].iloc[0]) as stream:
            data = stream.read()
        assert data == (farm.folder / "photos" / "s0n0.png").read_bytes()


class TestSettings:
    def test_an_edited_file_is_read_without_a_reload(self, farm, resources):
        settings = resources["settings"]
        assert settings.load().training.epochs == 2
        farm.write(training={"epochs": 9})
        assert settings.load().training.epochs == 9

    def test_a_configured_device_is_taken(self, farm):
        farm.write(compute={"device": "cpu"})
        assert build_resources(farm.project())["settings"].device() == "cpu"

    def test_auto_takes_one_that_is_there(self, resources):
        device = resources["settings"].device()
        assert device in {"cuda:0", "mps", "cpu"}
        assert usable_devices(device) == [device]

    @pytest.mark.parametrize("device", ["cuda:99", "no-such-device"])
    def test_a_device_that_is_not_there_is_refused(self, device):
        with pytest.raises(UnusableDeviceError, match=f"Device `{device}` cannot be used"):
            usable_devices(device)


class TestLedger:
    def test_it_is_empty_at_first_and_remembers(self, resources):
        ledger = resources["ledger"]
        assert ledger.read() is None
        sheet = resources["labels"].read().table[["date"]]
        ledger.write(sheet)
        assert ledger.read().equals(sheet)


class TestStudies:
    def test_they_are_in_one_file_under_the_root(self, farm, resources):
        url = resources["studies"].storage_url()
        assert url == f"sqlite:///{farm.folder / 'artefacts/tuning/studies.sqlite3'}"

    def test_or_in_the_configured_database(self, farm):
        url = "postgresql://biomass@host/studies"
        farm.write(tuning={"storage": url})
        assert build_resources(farm.project())["studies"].storage_url() == url

    def test_the_recommendation_is_one_file_written_whole(self, farm, resources):
        for text in ("training: {}\n", "training: {epochs: 3}\n"):
            file = resources["studies"].recommend(text)
            assert file == farm.folder / "artefacts" / "tuning" / "best.yaml"
            assert file.read_text(encoding="utf-8").endswith(f":biomass-seal\n{text}")
        assert [path.name for path in file.parent.iterdir()] == ["best.yaml"]


class TestBackbone:
    def backbone(self, farm, **known):
        farm.write(backbone={"name": "colour-texture"}, compute={"device": "cpu"})
        config = farm.project().config
        identity = {**backbone_identity(config.backbone, base=farm.folder), **known}
        return ConfiguredBackbone(config, farm.folder, identity)

    def test_it_is_the_one_that_the_graph_was_loaded_with(self, farm):
        source = self.backbone(farm)
        (lane,) = source.build()
        assert dict(lane.identity) == dict(source.identity())

    def test_changed_weights_are_refused(self, farm):
        source = self.backbone(farm, weights_sha256="of the file that was there before")
        with pytest.raises(ChangedWeightsError, match="weights of colour-texture were fetched or"):
            source.build()

    def test_what_embeds_is_this_machine_or_a_cluster(self, farm):
        assert self.backbone(farm).engine() is embed_here
        farm.write(compute={"engine": "ray", "ray": {"actors": 3}})
        source = ConfiguredBackbone(farm.project().config, farm.folder, {})
        assert source.engine().keywords["spec"].actors == 3

    def test_it_can_be_sent_to_another_process(self, farm):
        build = pickle.loads(pickle.dumps(self.backbone(farm).build))  # noqa: S301  # our own
        assert build()[0].name == "colour-texture"

    def test_what_a_cluster_gets_needs_no_dagster(self, farm, resources):
        sent = pickle.dumps((self.backbone(farm).build, resources["photos"].open))
        code = (
            "import pickle, sys; sys.modules['dagster'] = None; "
            f"build, open_photo = pickle.loads({sent!r}); "
            "print(build()[0].name, len(open_photo('s0n0.png').read()))"
        )
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        size = (farm.folder / "photos" / "s0n0.png").stat().st_size
        assert told.stdout.split() == ["colour-texture", str(size)]

    def test_a_cluster_is_told_its_precision(self, farm):
        farm.write(compute={"engine": "ray"})
        source = ConfiguredBackbone(farm.project().config, farm.folder, {"precision": "auto"})
        with pytest.raises(ClusterPrecisionError, match=r"Set it to fp32, bf16 or bf16-autocast"):
            source.engine()


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


class TestProgress:
    def test_a_line_has_counts_rates_and_the_time_left(self):
        halfway = Progress(n_photos=10, n_tiles=50, total_photos=20, total_tiles=100)
        assert progress_line(halfway, 5.0) == (
            "10 of 20 photos, 2.0 photos/s, 10 tiles/s, 5 s left"
        )

    def test_no_time_and_no_tiles_divide_nothing_by_zero(self):
        start = Progress(n_photos=0, n_tiles=0, total_photos=2, total_tiles=4)
        assert progress_line(start, 0.0).startswith("0 of 2 photos, 0.0 photos/s")

    @pytest.mark.parametrize("every_s", [15.0, 5.0])
    def test_a_line_comes_every_so_often_and_at_the_end(self, caplog, monkeypatch, every_s):
        log = logging.getLogger("probe")
        monkeypatch.setattr("dagster.get_dagster_logger", lambda: log)
        clock = Clock()
        with caplog.at_level(logging.INFO, logger="probe"):
            report = LogReporter(every_s=every_s, clock=clock).extraction(3)
            for second in range(1, 41):
                clock.now_s = float(second)
                report(Progress(second, second, 40, 40))
        expected = [s for s in range(1, 41) if s % every_s == 0 or s == 40]
        assert len(caplog.messages) == len(expected)
        assert all(line.startswith("fold 3: ") for line in caplog.messages)
        assert caplog.messages[-1].endswith("40 of 40 photos, 1.0 photos/s, 1 tiles/s, 0 s left")

    def test_a_line_of_training_has_network_epoch_error_and_the_most_that_is_left(self):
        clock = Clock()
        pace = Pace(clock)
        for _ in range(4):
            pace.step()
        clock.now_s = 20.0
        line = training_line(TrainingProgress(2, 3, 10, 40, inner_error=1234.56), pace)
        # 30 epochs of this network and 40 of the last one, at five seconds each.
        assert line == (
            "network 2 of 3, epoch 10 of at most 40, inner squared error 1235, at most 350 s left"
        )

    def test_training_is_logged_now_and_then(self, caplog, monkeypatch):
        log = logging.getLogger("probe")
        monkeypatch.setattr("dagster.get_dagster_logger", lambda: log)
        clock = Clock()
        with caplog.at_level(logging.INFO, logger="probe"):
            report = LogReporter(clock=clock).training(3)
            for second in range(1, 41):
                clock.now_s = float(second)
                report(TrainingProgress(1, 1, second, 40, 1.0))
        assert [line.split(" of at most")[0] for line in caplog.messages] == [
            "fold 3: network 1 of 1, epoch 15",
            "fold 3: network 1 of 1, epoch 30",
        ]
        assert caplog.messages[-1].endswith("at most 10 s left")

    def test_it_logs_in_dagsters_log(self, resources):
        assert isinstance(resources["reporter"], LogReporter)
