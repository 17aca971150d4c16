from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import FeatureWidthError
from biomass_pipeline.mil import prediction
from biomass_pipeline.mil.prediction import predict, tile_evidence
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold


@pytest.fixture(scope="module")
def frame(five_trained, five_field):
    return predict(five_trained, five_field.features, level=0.9)


def wide(frame):
    return frame.pivot_table(index="image_id", columns="target", values="y_pred")


def test_a_row_a_photo_and_target_in_their_order(frame, five_field):
    assert list(frame.columns) == ["image_id", "target", "y_pred", "y_lower", "y_upper"]
    assert frame["image_id"].tolist() == list(np.repeat(five_field.features.image_ids, 5))
    assert frame["target"].tolist() == [*DataConfig().target_names] * 40


def test_sums_follow_by_identity_and_nothing_is_negative(frame):
    table = wide(frame)
    assert table["GDM_g"].to_numpy() == pytest.approx(
        (table["Dry_Green_g"] + table["Dry_Clover_g"]).to_numpy(), abs=1e-9
    )
    assert table["Dry_Total_g"].to_numpy() == pytest.approx(
        (table["GDM_g"] + table["Dry_Dead_g"]).to_numpy(), abs=1e-9
    )
    assert frame[["y_pred", "y_lower", "y_upper"]].to_numpy().min() >= 0


def test_intervals_hold_the_prediction_and_widen_with_the_level(frame, five_trained, five_field):
    assert (frame["y_lower"] <= frame["y_pred"]).all()
    assert (frame["y_pred"] <= frame["y_upper"]).all()
    narrow = predict(five_trained, five_field.features, level=0.5)
    assert (narrow["y_upper"] <= frame["y_upper"]).all()
    assert (narrow["y_upper"] < frame["y_upper"]).any()


def test_the_tile_map_adds_up_to_the_prediction(frame, five_trained, five_field):
    tiles = tile_evidence(five_trained, five_field.features)
    assert len(tiles) == five_field.features.offsets[-1]
    assert tiles[["row_px", "col_px"]].to_numpy().tolist() == five_field.features.coords.tolist()
    assert tiles.groupby("image_id")["tile"].min().eq(0).all()
    names = list(DataConfig().target_names)
    summed = tiles.groupby("image_id")[names].sum()
    assert summed.to_numpy() == pytest.approx(wide(frame)[names].to_numpy(), abs=1e-5)


def test_the_fitted_scale_is_applied(frame, five_trained, five_field):
    twice = replace(five_trained, scale=five_trained.scale * 2)
    doubled = predict(twice, five_field.features, level=0.9)["y_pred"]
    assert doubled.to_numpy() == pytest.approx(2 * frame["y_pred"].to_numpy(), rel=1e-9)


def test_batches_do_not_change_predictions(frame, five_trained, five_field, monkeypatch):
    monkeypatch.setattr(prediction, "_BAGS_AT_ONCE", 7)
    small = predict(five_trained, five_field.features, level=0.9)
    assert small["y_pred"].to_numpy() == pytest.approx(frame["y_pred"].to_numpy(), abs=1e-4)


def test_features_of_another_width_are_refused(five_trained, five_field):
    narrow = replace(five_field.features, features=five_field.features.features[:, :3])
    with pytest.raises(FeatureWidthError, match="3 wide, but the model was trained on 8"):
        predict(five_trained, narrow, level=0.9)


@pytest.mark.parametrize(
    "data",
    [
        DataConfig(targets=(TargetConfig(name="one", unit="fraction"),), identities={}),
        DataConfig(targets=(TargetConfig(name="a"), TargetConfig(name="b")), identities={}),
    ],
)
def test_any_number_of_targets_works(data, make_field, quick, tmp_path):
    field = make_field(data)
    recipe = Recipe(data, quick.model_copy(update={"epochs": 2}), fingerprint="f")
    trained = train_fold(
        field.features, field.labels, recipe=recipe, checkpoint_folder=tmp_path / "fold_0"
    )
    frame = predict(trained, field.features, level=0.9)
    assert frame["target"].unique().tolist() == list(data.target_names)
    assert np.isfinite(frame["y_upper"]).all()
