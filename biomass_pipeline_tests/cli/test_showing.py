"""`status` and `cache` look and touch nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.cli.showing import grouped, spans
from biomass_pipeline.orchestration import Node, Verdict, open_instance


def materializations(farm):
    """How many there are in the farm's Dagster storage."""
    with open_instance(farm.project().layout) as instance:
        return len(instance.get_runs()), {
            key.to_user_string(): instance.get_latest_materialization_event(key).timestamp
            for key in instance.all_asset_keys()
            if instance.get_latest_materialization_event(key)
        }


def test_at_first_everything_is_missing(biomass, farm):
    ended = biomass("status")
    assert ended.code == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["feature_cache", "[0-2]", "missing", "never", "materialized"] in lines
    assert "0 of 24 are up to date." in ended.out
    assert materializations(farm)[1] == {}


def test_json_has_a_row_a_fold(biomass, farm):
    rows = biomass("status", "--json").json
    assert len(rows) == 24
    report = {"asset": "report", "fold": None, "state": "missing", "why": ["never materialized"]}
    assert report | {"optional": False} in rows
    assert {row["fold"] for row in rows if row["asset"] == "patch_index"} == {"0", "1", "2"}
    assert materializations(farm)[1] == {}


@pytest.mark.slow
class TestOnAFinishedFarm:
    def test_all_is_up_to_date_and_nothing_runs(self, biomass, done):
        before = materializations(done)[1]
        ended = biomass("status")
        assert ended.code == 0
        assert "Everything is up to date: 24 of 24." in ended.out
        assert {row["state"] for row in biomass("status", "--json").json} == {"fresh"}
        assert materializations(done)[1] == before

    def test_a_new_photo_is_why(self, biomass, done):
        done.photo("s0n9.png", 77)
        before = materializations(done)[1]
        ended = biomass("status")
        assert ["image_manifest", "stale", "raw_images", "changed"] in [
            line.split() for line in ended.out.splitlines()
        ]
        assert "What comes after them runs too" in ended.out
        assert materializations(done)[1] == before

    @pytest.mark.usefixtures("done")
    def test_the_cache_is_listed_with_what_made_it(self, biomass):
        ended = biomass("cache", "info")
        assert ended.code == 0
        assert "the current one" in ended.out
        words = [line.split() for line in ended.out.splitlines()]
        assert [row[:3] for row in words if row[0].startswith("fold_")] == [
            [f"fold_{fold}.h5", "4/4", "8"] for fold in range(3)
        ]
        rows = biomass("cache", "info", "--json").json
        # The three folds, and the photos without labels.
        assert [row["current"] for row in rows] == [True] * 4
        assert {row["backbone"] for row in rows} == {"colour-texture"}

    @pytest.mark.usefixtures("done")
    def test_another_configuration_has_no_current_cache(self, biomass):
        changed = ("--set", "cache.dtype=float32")
        assert "of an earlier configuration" in biomass("cache", "info", *changed).out
        ended = biomass("cache", "verify", *changed)
        assert ended.code == 1
        assert "no feature cache" in ended.out

    @pytest.mark.usefixtures("done")
    def test_a_whole_cache_is_verified(self, biomass):
        ended = biomass("cache", "verify")
        assert ended.code == 0
        folds = [f"fold {fold}: whole" for fold in range(3)]
        assert ended.out.splitlines() == [*folds, "unlabelled photos: whole"]
        assert biomass("cache", "verify", "--json").json == {
            "folds": 3,
            "problems": {},
            "damaged": {},
            "quarantined": 0,
            "without_checks": [],
        }

    @pytest.mark.parametrize("n_bytes", [0, 50, 100, 9000])
    def test_a_truncated_file_fails_and_is_named(self, biomass, done, n_bytes):
        path = next((done.folder / "artefacts" / "features").glob("*/fold_1.h5"))
        path.write_bytes(path.read_bytes()[:n_bytes])
        ended = biomass("cache", "verify")
        assert ended.code == 1
        assert "fold 0: whole" in ended.out
        assert str(path) in ended.out
        assert set(biomass("cache", "verify", "--json").json["problems"]) == {"1"}
        listed = biomass("cache", "info", "--json")
        assert listed.code == 0
        assert str(path) in listed.json[1]["problem"]

    @pytest.mark.parametrize("n_bytes", [100, 9000])
    def test_a_truncated_leftover_is_listed_with_its_problem(self, biomass, done, n_bytes):
        path = next((done.folder / "artefacts" / "features").glob("*/fold_1.h5"))
        leftover = path.with_suffix(".h5.partial")
        leftover.write_bytes(path.read_bytes()[:n_bytes])
        rows = {row["file"]: row for row in biomass("cache", "info", "--json").json}
        assert "shorter than it says" in rows["fold_1.h5.partial"]["problem"]
        assert rows["fold_1.h5"]["problem"] == ""
        assert biomass("cache", "verify").code == 0

    def test_a_fold_without_tiles_fails(self, biomass, done):
        (done.folder / "artefacts" / "patch_index" / "fold_2.parquet").unlink()
        ended = biomass("cache", "verify")
        assert ended.code == 1
        assert "Asset `patch_index` has nothing" in ended.out


@pytest.mark.usefixtures("farm")
def test_without_a_cache_the_next_step_is_named(biomass):
    assert "There is no feature cache yet" in biomass("cache", "info").out
    assert biomass("cache", "info", "--json").json == []
    ended = biomass("cache", "verify")
    assert ended.code == 1
    assert "Materialize `feature_cache`" in ended.err


@given(st.sets(st.integers(0, 99), min_size=1))
def test_spans_name_each_fold_once(folds):
    named = []
    for span in spans(list(folds)).split(", "):
        first, _, last = span.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(folds)


def test_folds_of_one_reason_share_a_row_and_others_do_not():
    verdicts = [Verdict(Node("a", str(k)), missing=True, reasons=("x",)) for k in (0, 1, 3)]
    verdicts.append(Verdict(Node("a", "2"), missing=False, reasons=("y", "z")))
    verdicts.append(Verdict(Node("b"), missing=True, reasons=("x",)))
    assert grouped(verdicts) == [
        ["a [0-1, 3]", "missing", "x"],
        ["a [2]", "stale", "y; z"],
        ["b", "missing", "x"],
    ]


def test_protocols_of_one_reason_share_a_row_by_their_keys():
    keys = ("random-3-seed-0", "leave-out-State")
    verdicts = [
        Verdict(Node("protocol_predictions", key), missing=False, reasons=("x",)) for key in keys
    ]
    assert grouped(verdicts) == [[f"protocol_predictions [{', '.join(keys)}]", "stale", "x"]]
