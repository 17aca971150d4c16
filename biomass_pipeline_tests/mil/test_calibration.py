from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.targets import TargetSpec

CSIRO = TargetSpec.from_config(DataConfig())


def table(factor, *, noise=0.0, n=40, ranked=False):
    chance = np.random.default_rng(0)
    components = chance.uniform(1, 5, (n, 3))
    y = CSIRO.sums(components * factor + noise * chance.normal(size=(n, 3)))
    return InnerTable(
        image_ids=np.array([f"photo{i}" for i in range(n)]),
        groups=np.array([f"g{i % 10}" for i in range(n)]),
        y=y,
        components=components,
        ranks=chance.random((n, 3)) if ranked else None,
    )


def test_the_scale_is_what_the_inner_predictions_lack():
    factor = np.array([0.8, 1.0, 1.5])
    assert table(factor).scale(CSIRO) == pytest.approx(factor)


def test_the_scale_minimises_the_squared_error():
    inner = table(1.2, noise=1.0)
    best = inner.scale(CSIRO)

    def error(k):
        return (inner.scaled(k).component_residuals(CSIRO) ** 2).sum(axis=0)

    for step in (0.99, 1.01):
        assert (error(best) < error(best * step)).all()


def test_the_scale_cannot_run_away():
    assert table(100.0).scale(CSIRO).tolist() == [2.0] * 3
    assert table(0.0).scale(CSIRO).tolist() == [0.5] * 3


def test_a_component_never_predicted_keeps_its_scale():
    inner = table(1.0)
    nothing = replace(inner, components=np.zeros_like(inner.components))
    assert nothing.scale(CSIRO).tolist() == [1.0] * 3


def test_scaled_predictions_leave_the_labels_alone():
    inner = table(1.5)
    scaled = inner.scaled(np.full(3, 1.5))
    assert np.abs(scaled.residuals(CSIRO)).max() < 1e-12
    assert scaled.y is inner.y


def test_residuals_of_sums_are_the_sums_of_their_parts_residuals():
    inner = table(1.0, noise=1.0)
    np.testing.assert_allclose(
        inner.residuals(CSIRO), CSIRO.sums(inner.component_residuals(CSIRO)), atol=1e-12
    )


def test_independent_targets_have_residuals_of_their_own():
    inner = table(1.0, noise=1.0)
    spec = CSIRO.independent()
    apart = replace(inner, components=inner.y + 1.0)
    assert apart.component_residuals(spec) == pytest.approx(np.full((40, 5), -1.0))


def test_tables_join_row_by_row():
    joined = InnerTable.concatenate([table(1.0, n=4, ranked=True), table(1.0, n=6, ranked=True)])
    assert joined.y.shape == (10, 5)
    assert joined.components.shape == joined.ranks.shape == (10, 3)
    assert joined.groups.shape == (10,)
    assert joined.image_ids[3:5].tolist() == ["photo3", "photo0"]


def test_ranks_of_some_models_only_are_no_ranks():
    joined = InnerTable.concatenate([table(1.0, n=4, ranked=True), table(1.0, n=6)])
    assert joined.ranks is None


@pytest.mark.parametrize("ranked", [True, False])
def test_a_table_survives_a_file_without_objects(tmp_path, ranked):
    inner = table(1.0, ranked=ranked)
    np.savez(tmp_path / "inner.npz", other=np.zeros(3), **inner.arrays())
    with np.load(tmp_path / "inner.npz", allow_pickle=False) as content:
        found = InnerTable.from_arrays(dict(content))
    for name, values in inner.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values)
    assert (found.ranks is None) == (not ranked)


def test_a_file_without_a_table_is_noticed():
    with pytest.raises(KeyError, match="inner_image_ids"):
        InnerTable.from_arrays({})
