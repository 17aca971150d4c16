"""What is stale runs, and nothing else: real Dagster, real files, a backbone that counts."""

import json
import re
import shutil
from dataclasses import dataclass, field

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.cli import main, opening
from biomass_pipeline.cli.running import run_stale
from biomass_pipeline.errors import (
    BiomassError,
    MissingCacheError,
    TooManyQuarantinedError,
    TooManyRefusedError,
    UnknownSelectionError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import Node, Step, Verdict, build_resources, open_instance
from biomass_pipeline.orchestration.staleness import nodes
from biomass_pipeline.store import open_cache
from biomass_pipeline_tests.farm import CountingBackbone, Farm, build_farm, every, graph_of, run_all
from biomass_pipeline_tests.orchestration.scenarios import plain_pages

pytestmark = pytest.mark.usefixtures("blank_figures")

OPTIONAL = {"protocol_predictions", "protocols", "tuning_study", "tuning"}
PREPARE = ["fold_assignment", "image_manifest", "label_table"]
JUDGE = ["evaluation", "oof_predictions", "report"]
TRAIN = [*every("fold_predictions"), *every("mil_checkpoint"), *every("ridge_baseline")]
PREDICT = ["inference_features", "predictions", "submission"]
EVERYTHING = sorted(
    [*PREPARE, *JUDGE, *TRAIN, *every("patch_index"), *every("feature_cache"), *PREDICT]
)


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path)


@pytest.fixture
def template(first_run):
    """A farm whose whole graph ran once; not to be touched."""
    return first_run[0]


@pytest.fixture
def done(template, tmp_path):
    """A copy of the farm, with its artefacts and Dagster's storage: it works wherever it lies."""
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    return Farm(tmp_path, dict(template.rows))


@pytest.fixture
def instance(tmp_path):
    with open_instance(Layout(tmp_path / "artefacts")) as instance:
        yield instance


def test_at_first_everything_runs_and_each_tile_is_embedded_once(first_run):
    _, ran, n_tiles = first_run
    assert ran == EVERYTHING
    assert n_tiles == 2 * 12


def rerun(farm, instance):
    """What runs now, and how many tiles it embeds."""
    backbone = CountingBackbone()
    return run_all(graph_of(farm.project(), instance, backbone=backbone)), backbone.n_tiles


def rows_by_content(farm):
    """Each content's feature bytes, over all folds."""
    graph_files = (farm.folder / "artefacts" / "features").glob("*/fold_*.h5")
    rows = {}
    for path in graph_files:
        features = open_cache(path, path.parent.name).load()
        rows |= {sha: features.bag(i).tobytes() for i, sha in enumerate(features.image_sha256)}
    return rows


@pytest.fixture(scope="class")
def _plain_pages():
    with plain_pages():
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_plain_pages")
class TestIncrementality:
    def test_nothing_changed_runs_nothing(self, done, instance):
        assert rerun(done, instance) == ([], 0)

    def test_touching_a_photo_runs_nothing(self, done, instance):
        (done.folder / "photos" / "s0n0.png").touch()
        assert rerun(done, instance) == ([], 0)

    def test_renaming_a_photo_embeds_nothing(self, done, instance):
        photos = done.folder / "photos"
        (photos / "s0n0.png").rename(photos / "renamed.png")
        done.rows["renamed.png"] = done.rows.pop("s0n0.png")
        done.write()
        before = training_fingerprints(done)
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        assert len([name for name in ran if name.startswith("feature_cache")]) == 1
        assert training_fingerprints(done) == before

    def test_new_photos_are_the_only_ones_embedded_and_only_their_fold_is_rebuilt(
        self, done, instance
    ):
        before = rows_by_content(done)
        fold = fold_of(done, "s0n0")
        for number in (7, 8):
            done.photo(f"s0n{number}.png", 200 + number)
            done.label(f"s0n{number}.png", "2024-05-01", 20 + number / 10)
        done.write()
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 4
        assert [name for name in ran if name.startswith("feature_cache")] == [
            f"feature_cache[{fold}]"
        ]
        after = rows_by_content(done)
        assert {sha: after[sha] for sha in before} == before
        assert len(after) == len(before) + 2

    def test_a_photo_without_a_label_is_embedded_and_predicted_and_trains_nothing(
        self, done, instance
    ):
        done.photo("unlabelled.png", 55)
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 2
        # The tiles read the manifest, find their own photos unchanged, and stop there.
        unchanged = ["label_table", *every("patch_index")]
        assert ran == sorted(["image_manifest", *unchanged, "report", *PREDICT])
        predicted = pd.read_parquet(done.folder / "artefacts/predictions/predictions.parquet")
        assert predicted["image_id"].tolist() == ["unlabelled"]

    def test_a_label_that_comes_later_or_goes_embeds_nothing(self, done, instance):
        done.photo("late.png", 55)
        assert rerun(done, instance)[1] == 2
        done.label("late.png", "2024-05-01", 5.5)
        done.write()
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        assert {"inference_features", *TRAIN, *PREDICT} <= set(ran)
        assert pd.read_parquet(done.folder / "artefacts/predictions/predictions.parquet").empty
        del done.rows["late.png"]
        done.write()
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        submitted = (done.folder / "artefacts/predictions/submission.csv").read_text()
        assert "late__mass_g," in submitted

    def test_another_learning_rate_embeds_nothing_and_retrains_every_fold(self, done, instance):
        before = rows_by_content(done)
        done.write(training={"learning_rate": 0.02})
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        # There is no photo without a label, so what is predicted stays what it was: nothing.
        assert ran == sorted([*TRAIN, *JUDGE, "predictions"])
        assert rows_by_content(done) == before

    def test_a_corrupt_photo_is_quarantined_and_the_rest_is_untouched(self, done, instance):
        before = rows_by_content(done)
        fold = fold_of(done, "s0n0")
        (done.folder / "photos" / "s0n0.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        manifest = pd.read_parquet(done.folder / "artefacts" / "image_manifest.parquet")
        quarantined = manifest[manifest["status"] == "quarantined"]
        assert list(quarantined["image_id"]) == ["s0n0"]
        assert [name for name in ran if name.startswith("feature_cache")] == [
            f"feature_cache[{fold}]"
        ]
        kept = set(manifest[manifest["status"] == "ok"]["sha256"])
        assert {sha: rows for sha, rows in rows_by_content(done).items() if sha in kept} == {
            sha: rows for sha, rows in before.items() if sha in kept
        }
        oof = pd.read_parquet(done.folder / "artefacts/predictions/oof_predictions.parquet")
        assert "s0n0" not in set(oof["image_id"])

    def test_a_changed_label_retrains_the_folds_that_learn_from_it(self, done, instance):
        fold = fold_of(done, "s0n0")
        before = training_fingerprints(done)
        done.label("s0n0.png", "2024-05-01", 9.9)
        done.write()
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        assert "feature_cache[0]" not in ran
        after = training_fingerprints(done)
        assert {k for k in before if before[k] == after[k]} == {fold}

    def test_the_other_choice_of_model_trains_nothing(self, done, instance):
        before = training_fingerprints(done)
        done.write(training={"model": "ridge"})
        ran, n_tiles = rerun(done, instance)
        assert n_tiles == 0
        assert {"evaluation", "report"} <= {*ran}
        assert training_fingerprints(done) == before
        text = (done.folder / "artefacts/evaluation/metrics.json").read_text(encoding="utf-8")
        assert json.loads(text)["headline_model"] == "ridge"

    def test_a_suspected_leak_is_a_warning_and_the_report_is_made(self, done, instance):
        """Nearly one picture in every session, so in every fold: a photo that was saved twice."""
        for session in range(6):
            done.photo(f"s{session}n9.png", 100, blue=200 + session)
            done.label(f"s{session}n9.png", f"2024-05-{session + 1:02d}", 10.0)
        done.write()
        ran, _ = rerun(done, instance)
        assert {"oof_predictions", "evaluation", "report"} <= {*ran}
        key = dg.AssetCheckKey(dg.AssetKey("oof_predictions"), "no_leak_is_suspected")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        check = records[0].event.dagster_event.asset_check_evaluation_data
        assert (check.passed, check.blocking) == (False, False)
        assert check.severity == dg.AssetCheckSeverity.WARN
        assert "in different folds have nearly the same features" in check.description
        assert rerun(done, instance) == ([], 0)

    def test_a_deleted_file_is_made_again_and_nothing_after_it(self, done, instance):
        (done.folder / "artefacts" / "patch_index" / "fold_1.parquet").unlink()
        assert rerun(done, instance) == (["patch_index[1]"], 0)

    def test_a_damaged_cache_is_made_again_from_its_photos(self, done, instance):
        before = rows_by_content(done)
        (path,) = (done.folder / "artefacts").glob("features/*/fold_1.h5")
        path.write_bytes(path.read_bytes()[:3000])
        ran, n_tiles = rerun(done, instance)
        assert ran == ["feature_cache[1]"]
        assert n_tiles == 2 * 4
        assert rows_by_content(done) == before

    def test_a_deleted_network_is_trained_again(self, done, instance):
        next((done.folder / "artefacts").glob("checkpoints/*/fold_2/seed_0.ckpt")).unlink()
        assert rerun(done, instance) == (["mil_checkpoint[2]"], 0)

    @pytest.mark.parametrize("asset", ["mil_checkpoint", "ridge_baseline"])
    def test_a_model_needs_neither_its_own_folds_cache_nor_its_labels(self, done, instance, asset):
        """The cache is deleted and the labels are poisoned: the model comes out the same."""
        artefacts = done.folder / "artefacts"
        folder = checkpoint_folder(done, asset, fold=1)
        before = files_of(folder)
        assert before
        shutil.rmtree(folder)
        next((artefacts / "features").glob("*/fold_1.h5")).unlink()
        labels = pd.read_parquet(artefacts / "label_table.parquet")
        folds = pd.read_parquet(artefacts / "fold_assignment.parquet")
        own = labels["image_id"].isin(folds.loc[folds["fold"] == 1, "image_id"])
        assert 0 < own.sum() < len(labels)
        labels["mass_g"] = labels["mass_g"].where(~own, 1e4)
        labels.to_parquet(artefacts / "label_table.parquet")
        graph = graph_of(done.project(), instance)
        graph.execute(step_of(asset, fold=1))
        assert files_of(folder) == before
        with pytest.raises(MissingCacheError):
            graph.execute(step_of(asset, fold=0))

    def test_a_photo_that_moves_to_another_fold_is_not_embedded_again(self, done, instance):
        done.write(folds={"seed": 9})
        ran, n_tiles = rerun(done, instance)
        assert any(name.startswith("feature_cache") for name in ran)
        assert n_tiles == 0

    def test_what_a_killed_run_wrote_and_did_not_tell_of_does_not_pass_for_what_is_known(
        self, done, instance
    ):
        """As after `--set`, a kill between file and event, and a run as before."""
        root = done.folder / "artefacts"
        labels, (fold_0, fold_1) = (
            root / "label_table.parquet",
            (next((root / "features").glob(f"*/fold_{fold}.h5")) for fold in (0, 1)),
        )
        pointer = root / "checkpoints" / "ridge_baseline_2.json"
        before = {path: path.read_bytes() for path in (labels, fold_0, pointer)}
        table = pd.read_parquet(labels)
        table.assign(mass_g=1.0).to_parquet(labels, index=False)
        shutil.copy(fold_1, fold_0)
        pointer.write_text(pointer.read_text().replace('"state": {', '"state": {"other": "1", '))
        assert pointer.read_bytes() != before[pointer]
        graph = graph_of(done.project(), instance)
        verdicts = {str(v.node): v for v in graph.verdicts(graph.select())}
        assert {name: v.reasons for name, v in verdicts.items() if not v.fresh} == dict.fromkeys(
            ["label_table", "feature_cache[0]", "ridge_baseline[2]"],
            ("its file is not the one that was made",),
        )
        assert rerun(done, instance)[1] == 8
        assert {path: path.read_bytes() for path in before} == before

    def test_the_reasons_are_sentences(self, done, instance):
        done.photo("s0n9.png", 77)
        done.label("s0n9.png", "2024-05-01", 7.7)
        done.write()
        graph = graph_of(done.project(), instance)
        graph.observe()
        verdicts = {str(v.node): v for v in graph.verdicts(graph.select())}
        assert verdicts["image_manifest"].reasons == ("raw_images changed", "raw_labels changed")
        assert verdicts["feature_cache[0]"].fresh

    def test_another_backbone_says_that_its_configuration_changed(self, done, instance):
        done.write(cache={"dtype": "float32"})
        graph = graph_of(done.project(), instance)
        graph.observe()
        verdicts = {str(v.node): v for v in graph.verdicts(graph.select())}
        # The caches of the other extraction are not there yet: missing comes before stale.
        assert verdicts["feature_cache[2]"].reasons == ("its file is gone or damaged",)
        assert verdicts["report"].reasons == ("its code or its part of the configuration changed",)


@pytest.mark.slow
def test_model_k_trains_without_partition_k(farm, instance):
    graph = graph_of(farm.project(), instance)
    graph.observe()
    ready = [n for n in graph.select() if n.asset not in {"mil_checkpoint", "ridge_baseline"}]
    graph.run(
        [n for n in ready if n.asset in (*PREPARE, "patch_index", "feature_cache")],
        on_step=lambda _: None,
    )
    for path in (farm.folder / "artefacts" / "features").glob("*/fold_1.h5"):
        path.unlink()
    models = [Node("mil_checkpoint", "1"), Node("ridge_baseline", "1")]
    assert graph.run(models, on_step=lambda _: None) == models
    # The others do need it: the file that was deleted is the one that is read.
    for model in (Node("mil_checkpoint", "0"), Node("ridge_baseline", "2")):
        with pytest.raises(MissingCacheError, match=r"fold_1\.h5"):
            graph.run([model], on_step=lambda _: None)


@pytest.mark.slow
def test_two_runs_leave_the_features_that_one_run_leaves(template, tmp_path):
    """Photos that come later give the features that they would have given at first."""
    late = build_farm(tmp_path)
    photo = late.folder / "photos" / "s3n1.png"
    held_back, row = photo.read_bytes(), late.rows.pop("s3n1.png")
    photo.unlink()
    for rows in ({}, {"s3n1.png": row}):
        late.rows |= rows
        late.write()
        if rows:
            photo.write_bytes(held_back)
        with open_instance(late.project().layout) as instance:
            graph = graph_of(late.project(), instance)
            graph.observe()
            graph.run(graph.select("+feature_cache"), on_step=lambda _: None)
        assert len(rows_by_content(late)) == len(late.rows)
    assert rows_by_content(late) == rows_by_content(template)


@pytest.mark.slow
def test_a_photo_that_cannot_be_embedded_is_left_out_and_shown(farm, instance, capsys):
    farm.photo("s1n1.png", 68, blue=222)
    graph = graph_of(farm.project(), instance, backbone=CountingBackbone(fails_on_blue=222))
    assert run_all(graph) == EVERYTHING
    assert run_all(graph) == []
    oof = pd.read_parquet(farm.folder / "artefacts/predictions/oof_predictions.parquet")
    assert set(oof["image_id"]) == {name.removesuffix(".png") for name in farm.rows} - {"s1n1"}
    report = (farm.folder / "artefacts" / "report" / "report.html").read_text()
    assert "backbone failed: RuntimeError: no memory left on the device" in report
    # The command line ends with its own exit code, and names the photo.
    assert run_stale(farm.folder / "biomass.yaml", (), as_json=True) == 3
    told = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in told["quarantine"]] == ["s1n1.png"]
    assert told["materialized"] == []
    # Materialized by hand, as in the UI, the photo is tried again, and it alone.
    healthy = CountingBackbone()
    graph = graph_of(farm.project(), instance, backbone=healthy)
    fold = fold_of(farm, "s1n1")
    graph._execute("extract", [Node("feature_cache", str(fold))], fold=str(fold))
    assert healthy.n_tiles == 2
    assert "report" in run_all(graph)
    oof = pd.read_parquet(farm.folder / "artefacts/predictions/oof_predictions.parquet")
    assert "s1n1" in set(oof["image_id"])


def test_too_many_quarantined_photos_stop_the_run(farm, instance):
    for name in ("s0n0.png", "s1n0.png"):
        (farm.folder / "photos" / name).write_bytes(b"")
    graph = graph_of(farm.project(), instance)
    graph.observe()
    with pytest.raises(TooManyQuarantinedError, match="empty file"):
        graph.run(graph.select("image_manifest+"), on_step=lambda _: None)
    # The manifest is there to be looked at; a second run does not train on it either.
    assert (farm.folder / "artefacts" / "image_manifest.parquet").exists()
    with pytest.raises(TooManyQuarantinedError):
        graph.run(graph.select("image_manifest+"), on_step=lambda _: None)


@pytest.mark.slow
class TestPartialFailure:
    """One fold fails: what depends on it waits, the rest goes on, the error comes at the end."""

    def blues(self, farm, instance, *folds):
        """Settings in which all photos of some folds cannot be embedded, nor be left out."""
        graph = graph_of(farm.project(), instance)
        graph.observe()
        graph.run([n for n in graph.select() if n.asset in PREPARE], on_step=lambda _: None)
        return {int(name[1]) for name in farm.rows if fold_of(farm, name[:4]) in folds}

    def run(self, farm, instance, failing):
        """What was announced and what is fresh after a run in which some sessions fail."""
        graph = graph_of(farm.project(), instance, backbone=FailingBackbone(blues=failing))
        steps, failed = [], []
        graph.observe()
        try:
            graph.run(
                graph.select(),
                on_step=lambda step: steps.append(str(step)),
                on_failure=lambda step, _: failed.append(str(step)),
            )
        except BiomassError as error:
            fresh = {str(v.node) for v in graph.verdicts(graph.select()) if v.fresh}
            return error, steps, failed, fresh
        pytest.fail("nothing failed")

    def test_the_other_folds_go_on_and_nothing_is_made_of_the_failed_one(self, farm, instance):
        failing = self.blues(farm, instance, 1)
        error, steps, failed, fresh = self.run(farm, instance, failing)
        assert isinstance(error, TooManyRefusedError)
        assert error.exit_code == 1
        assert failed == ["extract fold 1"]
        # Model 1 learns from the other folds, so it is trained; but it has nothing to predict.
        # So are the features of photos without labels, of which there are none.
        assert steps == [*(f"extract fold {k}" for k in (0, 1, 2)), "train fold 1", "predict"]
        expected = {*PREPARE, *every("patch_index"), "feature_cache[0]", "feature_cache[2]"}
        assert fresh == expected | {"mil_checkpoint[1]", "ridge_baseline[1]", "inference_features"}
        # Mended, only what failed is embedded.
        healthy = CountingBackbone()
        graph = graph_of(farm.project(), instance, backbone=healthy)
        ran = graph.run(graph.select("feature_cache"), on_step=lambda _: None)
        assert [str(node) for node in ran] == ["feature_cache[1]"]
        assert healthy.n_tiles == 2 * sum(fold_of(farm, name[:4]) == 1 for name in farm.rows)

    def test_several_failures_are_told_together_by_the_command(
        self, farm, instance, monkeypatch, capsys
    ):
        backbone = FailingBackbone(blues=self.blues(farm, instance, 0, 2))

        def built(*args, **options):
            return build_resources(*args, **options) | {"backbone": backbone}

        monkeypatch.setattr(opening, "build_resources", built)
        config = str(farm.folder / "biomass.yaml")
        monkeypatch.setattr("sys.argv", ["biomass", "run", "-c", config])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        told = capsys.readouterr()
        for fold in (0, 2):
            assert f"extract fold {fold} failed; the others go on" in told.out
        assert "extract fold 1: patch_index, feature_cache" in told.out
        assert "train" not in told.out
        assert re.search(r"(?s)2 runs failed:.*extract fold 0: .*extract fold 2: ", told.err)
        assert "the rest was" in told.err


class TestSelection:
    @pytest.fixture
    def graph(self, farm, instance):
        return graph_of(farm.project(), instance)

    def test_dagsters_syntax_selects_downstream(self, graph):
        assert {node.asset for node in graph.select("oof_predictions+")} == set(JUDGE)

    def test_a_plus_reaches_all_the_way(self, graph):
        assert {node.asset for node in graph.select("image_manifest+")} == {
            node.asset for node in graph.select()
        }
        for_new_photos = {"inference_features", "predictions", "submission"}
        of_report = [node for node in graph.select() if node.asset not in for_new_photos]
        assert graph.select("+report") == of_report
        assert {node.asset for node in graph.select("+label_table")} == {
            "image_manifest",
            "label_table",
        }

    @pytest.mark.parametrize("selection", ["1+label_table", '1+key:"label_table"', "+label_table"])
    def test_dagsters_own_spellings_still_work(self, graph, selection):
        chosen = {node.asset for node in graph.select(selection)}
        assert chosen == {"image_manifest", "label_table"}

    def test_what_is_optional_is_left_alone_unless_it_is_named(self, graph):
        usual = {node.asset for node in graph.select()}
        assert not OPTIONAL & usual
        for selection in ("feature_cache+", "label_table+", "+report", "*report", "raw_images*"):
            assert not OPTIONAL & {node.asset for node in graph.select(selection)}

    # Of Dagster's own call, for a parameter that it sets itself.
    @pytest.mark.filterwarnings("ignore:Parameter `include_sources`")
    @pytest.mark.parametrize(
        ("selection", "stage"),
        [
            ("protocols", {"protocols"}),
            ("+protocols", {"protocol_predictions", "protocols"}),
            ("protocol_predictions", {"protocol_predictions"}),
            ("+tuning or +report", {"tuning_study", "tuning"}),
            ('key:"tuning_study"', {"tuning_study"}),
            ('group:"validation"', {"protocol_predictions", "protocols"}),
            ("group:tuning", {"tuning_study", "tuning"}),
        ],
    )
    def test_a_name_takes_its_own_stage_and_no_other_optional_one(self, graph, selection, stage):
        assert OPTIONAL & {node.asset for node in graph.select(selection)} == stage

    def test_a_star_takes_everything(self, graph):
        assert graph.select("*") == nodes(graph.defs)

    def test_a_fold_of_a_study_is_selected_and_no_protocol_has_one(self, graph):
        assert [str(node) for node in graph.select("tuning_study", fold=1)] == ["tuning_study[1]"]
        with pytest.raises(UnknownSelectionError):
            graph.select("protocol_predictions", fold=1)

    def test_a_refusal_counts_folds_and_no_protocols(self, graph):
        with pytest.raises(UnknownSelectionError, match="Folds: 0 to 2, of those"):
            graph.select(fold=7)

    def test_a_fold_alone_selects_its_model_and_what_it_learns_from(self, graph):
        found = {str(node) for node in graph.select(fold=1)}
        of_fold = {"mil_checkpoint[1]", "ridge_baseline[1]", "fold_predictions[1]"}
        assert found == {*PREPARE, *every("patch_index"), *every("feature_cache"), *of_fold}

    def test_a_fold_selects_its_partition_and_what_has_none(self, graph):
        folds = {node.fold for node in graph.select("feature_cache", fold=1)}
        assert folds == {"1"}

    @pytest.mark.parametrize(
        ("selection", "fold"),
        [("nothing_like_it", None), ("feature_cache", 7), (None, 7), ("((", None)],
    )
    def test_what_selects_nothing_is_refused(self, graph, selection, fold):
        with pytest.raises(UnknownSelectionError, match="names nothing in the graph"):
            graph.select(selection, fold=fold)


@dataclass
class FailingBackbone(CountingBackbone):
    """Fails on the photos of some sessions, each of one blue."""

    blues: set[int] = field(default_factory=set)

    def build(self):
        (backbone,) = super().build()
        embed, blues = backbone.embed, list(self.blues)

        def failing(tiles):
            if np.isin(tiles[..., 2], blues).any():
                raise RuntimeError("the device fell off the bus")
            return embed(tiles)

        backbone.embed = failing
        return [backbone]


def fold_of(farm, image_id):
    table = pd.read_parquet(farm.folder / "artefacts" / "fold_assignment.parquet")
    return int(table.set_index("image_id")["fold"][image_id])


def checkpoint_folder(farm, asset, *, fold):
    layout = farm.project().layout
    pointer = json.loads(layout.checkpoint_pointer(asset, fold).read_text(encoding="utf-8"))
    return layout.checkpoint(pointer["fingerprint"], fold)


def files_of(folder):
    """Every file of a model, but the logs of its training."""
    return {path.name: path.read_bytes() for path in folder.glob("*.*")}


def step_of(asset, *, fold):
    verdict = Verdict(Node(asset, str(fold)), missing=True, reasons=("asked for",))
    return Step("train", (verdict,))


def training_fingerprints(farm):
    pointers = (farm.folder / "artefacts" / "checkpoints").glob("mil_checkpoint_*.json")
    return {int(path.stem[-1]): path.read_text() for path in pointers}
