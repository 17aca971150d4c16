"""What is kept between steps: by fold, whole, and by handles that can be pickled."""

import dataclasses
import json
import pickle
import shutil

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.assets import CheckpointHandle
from biomass_pipeline.errors import (
    DamagedCacheError,
    MissingCacheError,
    MissingTableError,
    StaleCacheError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import InMemory
from biomass_pipeline.orchestration.io_managers import (
    ByPart,
    Checkpoints,
    Documents,
    FeatureHandles,
    ParquetTables,
    part_of,
)
from biomass_pipeline.reporting import Report
from biomass_pipeline.store import Cache, FeatureFolder, FoldContents, Stamp
from biomass_pipeline_tests.store.fold import Rows

FINGERPRINT = "f" * 16
TABLE = pd.DataFrame({"image_id": ["a", "b"], "mass_g": [1.5, 2.5]}).astype({"image_id": "str"})


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture(params=["memory", "disk"])
def tables(request, layout):
    return InMemory() if request.param == "memory" else ParquetTables(layout)


def loaded(manager, *, n_folds=0, keys=None, mapping=None):
    """What an asset is given that depends on a partitioned one."""
    keys = keys or [str(fold) for fold in range(n_folds)]
    folds = dg.StaticPartitionsDefinition(keys)
    # A mapping without fields is a tuple of none, so it counts as false.
    partitioned = mapping is not None
    seen = {}

    @dg.asset(partitions_def=folds)
    def upstream(context: dg.AssetExecutionContext) -> pd.DataFrame:
        return TABLE.assign(fold=part_of(context.partition_key))

    @dg.asset(
        ins={"upstream": dg.AssetIn(partition_mapping=mapping)},
        partitions_def=folds if partitioned else None,
    )
    def downstream(upstream: dict) -> None:
        seen.update(upstream)

    with dg.DagsterInstance.ephemeral() as instance:
        options = {"instance": instance, "resources": {"io_manager": manager}}
        for key in keys:
            dg.materialize([upstream], partition_key=key, **options)
        chosen = {"selection": [downstream], **options}
        if partitioned:
            chosen["partition_key"] = "0"
        dg.materialize([upstream, downstream], **chosen)
    return seen


class TestFanIn:
    def test_one_upstream_fold_comes_as_a_dict(self, tables):
        others = dg.StaticPartitionMapping({"0": ["1"], "1": ["0"]})
        seen = loaded(tables, n_folds=2, mapping=others)
        assert set(seen) == {1}
        assert (seen[1]["fold"] == 1).all()

    def test_protocols_come_by_their_keys(self, tables):
        keys = ["forward-4", "random-5-seed-0"]
        assert set(loaded(tables, keys=keys)) == set(keys)

    def test_the_same_fold_comes_as_a_dict(self, tables):
        seen = loaded(tables, n_folds=2, mapping=dg.IdentityPartitionMapping())
        assert set(seen) == {0}

    def test_all_folds_come_each_as_itself(self, tables):
        seen = loaded(tables, n_folds=3)
        assert {fold: set(table["fold"]) for fold, table in seen.items()} == {
            0: {0},
            1: {1},
            2: {2},
        }


class TestTables:
    @pytest.mark.parametrize("fold", [None, 2])
    def test_what_is_written_is_read(self, tables, fold):
        assert not tables.has("patch_index", fold)
        tables.write("patch_index", fold, TABLE)
        assert tables.has("patch_index", fold)
        pd.testing.assert_frame_equal(tables.read("patch_index", fold), TABLE)

    @pytest.mark.parametrize("fold", [None, 0])
    def test_what_was_never_written_is_missing_by_name(self, tables, fold):
        with pytest.raises(MissingTableError, match=r"`patch_index` has nothing at .*biomass run"):
            tables.read("patch_index", fold)

    def test_missing_is_a_file_not_found(self, tables):
        with pytest.raises(FileNotFoundError):
            tables.read("label_table", None)

    def test_the_index_is_not_kept(self, layout):
        manager = ParquetTables(layout)
        manager.write("label_table", None, TABLE.set_axis([7, 9]))
        assert list(manager.read("label_table", None).index) == [0, 1]

    def test_predictions_have_their_own_folder(self, layout, tmp_path):
        ParquetTables(layout).write("oof_predictions", None, TABLE)
        assert (tmp_path / "predictions" / "oof_predictions.parquet").exists()

    @pytest.mark.parametrize("part", ["forward-4", 4, None])
    def test_parts_of_one_asset_do_not_meet(self, tables, part):
        for number, each in enumerate(["forward-4", 4, None, "group-k-fold-4-seed-0"]):
            tables.write("protocol_predictions", each, TABLE.assign(number=number))
        expected = {"forward-4": 0, 4: 1, None: 2}[part]
        assert set(tables.read("protocol_predictions", part)["number"]) == {expected}

    def test_protocols_and_studies_lie_with_their_results(self, layout, tmp_path):
        manager = ParquetTables(layout)
        manager.write("protocol_predictions", "forward-4", TABLE)
        manager.write("tuning_study", 2, TABLE)
        assert (tmp_path / "evaluation/protocol_predictions/forward-4.parquet").exists()
        assert (tmp_path / "tuning/tuning_study/fold_2.parquet").exists()


def test_a_partition_is_a_fold_by_its_number_or_a_name():
    assert [part_of(key) for key in ("0", "12", "forward-4", "random-5-seed-0")] == [
        0,
        12,
        "forward-4",
        "random-5-seed-0",
    ]


def test_a_partial_file_does_not_count(layout):
    manager = ParquetTables(layout)
    path = manager.path("label_table", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.1-1.partial").write_bytes(b"half")
    assert not manager.has("label_table", None)


class Ones:
    """Embeds a tile as [1, 1]."""

    def feature_dim(self):
        return 2

    def notes(self):
        return {}

    def embed(self, wanted):
        for photo, tiles in wanted.items():
            yield Rows(photo, tiles, np.ones((1, 2)))


def one_photo():
    row = {"image_id": "a", "image_sha256": "c1", "path": "a.jpg", "tile": 0}
    row |= {"row_px": 0, "col_px": 0, "area_weight": 1.0}
    return FoldContents.from_patch_index(pd.DataFrame([row]))


class TestFeatures:
    @pytest.fixture
    def handles(self, layout):
        return FeatureHandles(FeatureFolder(layout), FINGERPRINT)

    @pytest.fixture
    def written(self, handles):
        stamp = Stamp(FINGERPRINT, "fake", "", 8, 8, "cls", "last", 0, "float32")
        return handles.folder.write(0, one_photo(), stamp=stamp, embedder=Ones()).cache

    def test_the_store_writes_and_the_manager_hands_over(self, handles, written):
        assert handles.has("feature_cache", 0)
        handles.write("feature_cache", 0, written)
        handle = handles.read("feature_cache", 0)
        assert isinstance(handle, Cache)
        assert handle == written

    def test_a_handle_survives_pickling(self, handles, written):
        handle = pickle.loads(pickle.dumps(handles.read("feature_cache", 0)))  # noqa: S301  # ours
        assert np.array_equal(handle.load().features, written.load().features)

    def test_a_fold_that_is_not_there_is_missing(self, handles):
        assert not handles.has("feature_cache", 0)
        with pytest.raises(MissingCacheError):
            handles.read("feature_cache", 0)

    def test_a_stranger_is_refused(self, handles, written, layout):
        stranger = layout.feature_cache("0" * 16, 0)
        stranger.parent.mkdir(parents=True)
        written.path.rename(stranger)
        with pytest.raises(StaleCacheError):
            FeatureHandles(handles.folder, "0" * 16).read("feature_cache", 0)
        assert not FeatureHandles(handles.folder, "0" * 16).has("feature_cache", 0)

    def test_without_a_part_it_is_the_photos_without_labels(self, handles, written):
        assert not handles.has("inference_features", None)
        stamp = written.stamp()
        cache = handles.folder.write(None, one_photo(), stamp=stamp, embedder=Ones()).cache
        assert handles.has("inference_features", None)
        assert handles.read("inference_features", None) == cache != written

    @pytest.mark.parametrize("left", [0, 1000])
    def test_a_damaged_file_counts_as_missing(self, handles, written, left):
        written.path.write_bytes(written.path.read_bytes()[:left])
        assert not handles.has("feature_cache", 0)
        with pytest.raises(DamagedCacheError):
            handles.read("feature_cache", 0)


class TestModels:
    @pytest.fixture
    def models(self, layout):
        return Checkpoints(layout)

    def trained(self, layout, fingerprint=FINGERPRINT):
        folder = layout.checkpoint(fingerprint, 1)
        folder.mkdir(parents=True)
        (folder / "seed_0.ckpt").touch()
        stamp = {"fingerprint": fingerprint, "n_seeds": 1}
        (folder / "stamp.json").write_text(json.dumps(stamp), encoding="utf-8")
        return CheckpointHandle(folder, fingerprint)

    def test_the_current_fingerprint_is_remembered(self, models, layout):
        old, new = self.trained(layout), self.trained(layout, "e" * 16)
        for handle in (old, new):
            models.write("mil_checkpoint", 1, handle)
            assert models.read("mil_checkpoint", 1) == handle
        assert models.has("mil_checkpoint", 1)
        assert not models.has("ridge_baseline", 1)

    def test_what_a_model_was_trained_by_is_remembered(self, models, layout):
        handle = dataclasses.replace(self.trained(layout), state={"network": "a"})
        models.write("mil_checkpoint", 1, handle)
        assert models.read("mil_checkpoint", 1).state == {"network": "a"}

    def test_a_deleted_folder_is_not_there(self, models, layout):
        handle = self.trained(layout)
        models.write("mil_checkpoint", 1, handle)
        shutil.rmtree(handle.folder)
        assert not models.has("mil_checkpoint", 1)

    def test_a_deleted_network_is_not_there(self, models, layout):
        handle = self.trained(layout)
        models.write("mil_checkpoint", 1, handle)
        (handle.folder / "seed_0.ckpt").unlink()
        assert not models.has("mil_checkpoint", 1)

    def test_a_model_that_was_never_trained_is_missing(self, models):
        with pytest.raises(MissingTableError, match="`mil_checkpoint` has nothing"):
            models.read("mil_checkpoint", 1)

    def test_a_handle_survives_pickling(self, layout):
        handle = self.trained(layout)
        assert pickle.loads(pickle.dumps(handle)) == handle  # noqa: S301  # our own bytes

    def test_models_without_a_fold_are_refused(self, models):
        with pytest.raises(TypeError, match="one partition a fold"):
            models.has("mil_checkpoint", None)


class TestDocuments:
    @pytest.fixture
    def documents(self, layout):
        return Documents(layout)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("evaluation", {"r2": 0.9, "by_target": [1, None]}),
            ("protocols", {"random-5": {"r2": 0.9}}),
            ("tuning", {"best": {"loss": "huber"}}),
            ("report", "<p>Grün, 1 m²</p>"),
        ],
    )
    def test_what_is_written_is_read(self, documents, name, value):
        assert not documents.has(name, None)
        documents.write(name, None, value)
        assert documents.has(name, None)
        assert documents.read(name, None) == value

    def test_a_report_is_read_as_its_page_and_its_texts_lie_beside_it(self, documents, layout):
        documents.write("report", None, Report("<p>page", {"model_card.md": "# Card"}))

        assert documents.read("report", None).endswith(" -->\n<p>page")
        assert (layout.report.parent / "model_card.md").read_text().endswith(" -->\n# Card")

    def test_a_submission_is_a_csv_whose_numbers_come_back_exactly(self, documents, tmp_path):
        table = pd.DataFrame({"sample_id": ["007__a", "NA__a"], "target": [1 / 3, 2e-17]}).astype(
            {"sample_id": "str"}
        )
        documents.write("submission", None, table)
        path = tmp_path / "predictions" / "submission.csv"
        assert path.read_text().splitlines()[:2] == ["sample_id,target", f"007__a,{1 / 3!r}"]
        pd.testing.assert_frame_equal(documents.read("submission", None), table, check_exact=True)

    @pytest.mark.parametrize("name", ["evaluation", "protocols", "tuning", "report", "submission"])
    def test_what_was_never_written_is_missing(self, documents, name):
        with pytest.raises(MissingTableError, match=f"`{name}` has nothing"):
            documents.read(name, None)


def test_every_way_of_keeping_says_what_it_has():
    with pytest.raises(TypeError, match="has, read, write"):
        ByPart()


class TestPlaces:
    """Where a person finds what was made, as its page says."""

    def told(self, manager, value):
        @dg.asset
        def table() -> dg.MaterializeResult:
            return dg.MaterializeResult(value=value, metadata={"rows": 2})

        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([table], instance=instance, resources={"io_manager": manager})
        (event,) = result.asset_materializations_for_node("table")
        return event.metadata

    def test_the_file_is_named_beside_what_the_asset_says(self, layout):
        told = self.told(ParquetTables(layout), TABLE)
        assert told["file"].value == str(layout.table("table").resolve())
        assert told["rows"].value == 2

    def test_what_is_in_memory_is_in_no_file(self):
        assert "file" not in self.told(InMemory(), TABLE)

    def test_models_and_documents_and_features_have_their_own(self, layout, tmp_path):
        handle = CheckpointHandle(tmp_path / "fold_1", FINGERPRINT)
        assert Checkpoints(layout).place("mil_checkpoint", 1, handle) == tmp_path / "fold_1"
        assert Documents(layout).place("report", None, "<html>") == layout.report
        features = FeatureHandles(FeatureFolder(layout), FINGERPRINT)
        assert features.place("feature_cache", 1, object()) is None
