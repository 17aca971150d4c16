import copy
from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig, TargetConfig
from biomass_pipeline.errors import FeatureWidthError, MissingCovariateError
from biomass_pipeline.mil import prediction
from biomass_pipeline.mil.bags import batches
from biomass_pipeline.mil.prediction import Beside, predict, tile_evidence
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.scaler import Scaler
from biomass_pipeline.mil.splits import part_of_seed
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold
from biomass_pipeline.store.bags import FeatureSet

SPEC = PredictionSpec.from_config(EvaluationConfig(n_draws=20))


@pytest.fixture(scope="module")
def found(five_trained, five_field):
    return predict(five_trained, five_field.features, spec=SPEC)


@pytest.fixture(scope="module")
def frame(found):
    return found.frame()


def wide(frame):
    return frame.pivot_table(index="image_id", columns="target", values="y_pred")


def test_a_row_a_photo_and_target_in_their_order(frame, five_field):
    bounds = [f"y_{side}{level}" for level in ("", "_50", "_80") for side in ("lower", "upper")]
    assert list(frame.columns) == ["image_id", "target", "y_pred", *bounds, "p_zero"]
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
    assert frame.filter(like="y_").min().min() >= 0


def test_intervals_widen_with_the_level_or_are_refused(found):
    """Eight groups can promise .5 and .8, and not .9: bounds there are not a number."""
    supported = [not np.isnan(upper).all() for upper in found.upper]
    assert supported == sorted(supported, reverse=True)
    assert supported[0]
    for level, is_there in enumerate(supported):
        if is_there:
            assert (found.lower[level] <= found.y).all()
            assert (found.y <= found.upper[level]).all()
    if supported[1]:
        assert (found.upper[0] <= found.upper[1]).all()
        assert (found.upper[0] < found.upper[1]).any()


def test_every_draw_adds_up(found):
    components = found.draws[..., list(found.targets.component_columns)]
    assert found.draws == pytest.approx(found.targets.sums(components), abs=1e-9)
    assert found.draws.min() >= 0


def test_photos_are_predicted_alike_in_any_company(found, five_trained, five_field):
    whole, rows = five_field.features, slice(0, five_field.features.offsets[3])
    few = FeatureSet(
        features=whole.features[rows],
        coords=whole.coords[rows],
        area_weight=whole.area_weight[rows],
        image_ids=whole.image_ids[:3],
        image_sha256=whole.image_sha256[:3],
        offsets=whole.offsets[:4],
    )
    alone = predict(five_trained, few, spec=SPEC)
    assert alone.image_ids == found.image_ids[:3]
    assert alone.y == pytest.approx(found.y[:3], abs=1e-4)
    assert alone.draws == pytest.approx(found.draws[:, :3], abs=1e-3)


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
    doubled = predict(twice, five_field.features, spec=SPEC).frame()["y_pred"]
    assert doubled.to_numpy() == pytest.approx(2 * frame["y_pred"].to_numpy(), rel=1e-9)


def test_batches_do_not_change_predictions(frame, five_trained, five_field, monkeypatch):
    monkeypatch.setattr(prediction, "_BAGS_AT_ONCE", 7)
    small = predict(five_trained, five_field.features, spec=SPEC).frame()
    assert small["y_pred"].to_numpy() == pytest.approx(frame["y_pred"].to_numpy(), abs=1e-4)


def test_tiles_are_scaled_once_for_all_networks_that_scale_alike(
    found, five_trained, five_field, monkeypatch
):
    scale, calls = Scaler.forward, []

    def counted(self, bags):
        calls.append(self)
        return scale(self, bags)

    monkeypatch.setattr(Scaler, "forward", counted)
    one = five_trained.members[0]
    twins = replace(five_trained, members=(one, copy.deepcopy(one)))
    predict(twins, five_field.features, spec=SPEC)
    assert len(calls) == 1
    # One that scales otherwise reads tiles of its own.
    other = copy.deepcopy(one)
    other.network.scaler.clip += 1
    calls.clear()
    mixed = replace(five_trained, members=(one, other))
    apart = predict(mixed, five_field.features, spec=SPEC)
    assert len(calls) == 2
    (bags,) = batches(five_field.features, n_bags=99)
    each = [member.network.outputs(member.network.scaled(bags)).double() for member in (one, other)]
    assert (apart.components == mixed.components_of(np.mean(each, axis=0))).all()


def test_features_of_another_width_are_refused(five_trained, five_field):
    narrow = replace(five_field.features, features=five_field.features.features[:, :3])
    with pytest.raises(FeatureWidthError, match="3 wide, but the model was trained on 8"):
        predict(five_trained, narrow, spec=SPEC)


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
    frame = predict(trained, field.features, spec=SPEC).frame()
    assert frame["target"].unique().tolist() == list(data.target_names)
    assert np.isfinite(frame[["y_pred", "y_upper_50"]]).all(axis=None)


def trained_with(field, training, folder, *, data=None):
    recipe = Recipe(data or DataConfig(), training, fingerprint="f")
    return train_fold(field.features, field.labels, recipe=recipe, checkpoint_folder=folder)


@pytest.mark.parametrize(
    "change",
    [
        {"head": "independent"},
        {"head": "independent", "reconciliation": "mint"},
        {"head": "total_share"},
        {"loss": {"ziln": 1.0, "huber": 5.0}},
        {"aggregator": "gated_attention"},
    ],
)
def test_identities_and_the_tile_map_hold_under_every_head_and_loss(
    five_field, quick, tmp_path, change
):
    training = quick.model_validate(quick.model_dump() | {"epochs": 2, "n_seeds": 1} | change)
    trained = trained_with(five_field, training, tmp_path)
    found = predict(trained, five_field.features, spec=SPEC)
    components = found.y[:, list(found.targets.component_columns)]
    assert found.y == pytest.approx(found.targets.sums(components), abs=1e-9)
    assert found.y.min() >= 0
    tiles = tile_evidence(trained, five_field.features)
    names = list(found.targets.names)
    summed = tiles.groupby("image_id", sort=False)[names].sum().loc[list(found.image_ids)]
    assert summed.to_numpy() == pytest.approx(found.y, abs=1e-4)


class TestBeside:
    @pytest.fixture
    def field(self, five_field):
        height = np.linspace(2.0, 30.0, len(five_field.labels))
        return replace(five_field, labels=five_field.labels.assign(height_cm=height))

    @pytest.fixture
    def trained(self, field, quick, tmp_path):
        return self.of(field, quick, tmp_path, covariate_dropout=0.0)

    def of(self, field, quick, folder, **change):
        known = {"epochs": 3, "n_seeds": 1, "covariates": ("height_cm",)} | change
        return trained_with(field, quick.model_copy(update=known), folder)

    def test_what_is_beside_a_photo_counts(self, trained, field):
        low, high = (
            predict(
                trained,
                field.features,
                spec=SPEC,
                beside=Beside(field.labels.assign(height_cm=height)),
            ).y
            for height in (2.0, 30.0)
        )
        assert not np.allclose(low, high)

    def test_what_was_never_missing_in_training_is_asked_for(self, trained, field):
        for beside in (None, Beside(field.labels.drop(columns="height_cm"))):
            with pytest.raises(MissingCovariateError, match="height_cm"):
                predict(trained, field.features, spec=SPEC, beside=beside)

    def test_every_network_must_have_learnt_to_do_without(self, field, quick, tmp_path):
        """A value is missing only in groups that one of two networks set aside."""
        groups = field.labels["group"].to_numpy(str)
        for number in (0, 1):
            aside = part_of_seed(groups, inner_fraction=0.2, seed=0, number=number)
            lacking = field.labels["height_cm"].where(~field.labels.index.isin(aside))
            known = replace(field, labels=field.labels.assign(height_cm=lacking))
            trained = self.of(known, quick, tmp_path / str(number), n_seeds=2)
            knew = [bool(one.network.covariates.ever_missing) for one in trained.members]
            assert knew == [number != 0, number != 1]
            with pytest.raises(MissingCovariateError, match="height_cm"):
                predict(trained, field.features, spec=SPEC)

    def test_a_network_that_learnt_to_do_without_does_without(self, field, quick, tmp_path):
        trained = self.of(field, quick, tmp_path, covariate_dropout=0.5)
        assert np.isfinite(predict(trained, field.features, spec=SPEC).y).all()
