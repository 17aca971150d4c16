import numpy as np
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.calibration import InnerTable, prediction_frame
from biomass_pipeline.mil.targets import TargetSpec

CSIRO = TargetSpec.from_config(DataConfig())


def table(factor, *, noise=0.0, n=40):
    chance = np.random.default_rng(0)
    components = chance.uniform(1, 5, (n, 3))
    y = CSIRO.sums(components * factor + noise * chance.normal(size=(n, 3)))
    groups = np.array([f"g{i % 10}" for i in range(n)])
    return InnerTable(groups=groups, y=y, components=components)


def test_the_scale_is_what_the_inner_predictions_lack():
    factor = np.array([0.8, 1.0, 1.5])
    assert table(factor).scale(CSIRO) == pytest.approx(factor)


def test_the_scale_minimises_the_squared_error():
    inner = table(1.2, noise=1.0)
    best = inner.scale(CSIRO)
    y = inner.y[:, list(CSIRO.component_columns)]

    def error(k):
        return ((y - inner.components * k) ** 2).sum(axis=0)

    for step in (0.99, 1.01):
        assert (error(best) < error(best * step)).all()


def test_the_scale_cannot_run_away():
    assert table(100.0).scale(CSIRO).tolist() == [2.0] * 3
    assert table(0.0).scale(CSIRO).tolist() == [0.5] * 3


def test_a_component_never_predicted_keeps_its_scale():
    inner = table(1.0)
    nothing = InnerTable(inner.groups, inner.y, np.zeros_like(inner.components))
    assert nothing.scale(CSIRO).tolist() == [1.0] * 3


def test_a_sums_interval_knows_how_its_parts_errors_go_together():
    inner = table(1.0)
    error = np.random.default_rng(1).normal(size=(40, 1))
    opposed = InnerTable(inner.groups, inner.y, inner.components + error * [[1.0, 0.0, -1.0]])
    width = dict(
        zip(CSIRO.names, opposed.halfwidths(CSIRO, scale=np.ones(3), level=0.9), strict=True)
    )
    assert width["Dry_Green_g"] > 0.5
    assert width["GDM_g"] == pytest.approx(0, abs=1e-9)


def test_intervals_are_about_the_scaled_prediction():
    inner = table(1.5)
    assert inner.halfwidths(CSIRO, scale=np.full(3, 1.5), level=0.9) == pytest.approx(0, abs=1e-9)
    assert inner.halfwidths(CSIRO, scale=np.ones(3), level=0.9).min() > 0.5


def test_tables_join_row_by_row():
    joined = InnerTable.concatenate([table(1.0, n=4), table(1.0, n=6)])
    assert joined.y.shape == (10, 5)
    assert joined.components.shape == (10, 3)
    assert joined.groups.shape == (10,)


def test_bounds_stop_at_zero():
    frame = prediction_frame(
        ["a"], np.array([[1.0, 2.0, 3.0]]), targets=CSIRO, halfwidths=np.full(5, 4.0)
    )
    total = frame[frame["target"] == "Dry_Total_g"].iloc[0]
    assert (total["y_pred"], total["y_lower"], total["y_upper"]) == (6.0, 2.0, 10.0)
    assert frame["y_lower"].min() == 0
