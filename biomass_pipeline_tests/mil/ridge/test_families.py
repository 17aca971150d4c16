import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from biomass_pipeline.mil.ridge.families import FAMILIES, Setting
from biomass_pipeline.mil.ridge.machines import KernelMachine, LinearMachine, machine_from

ALPHAS = (0.01, 0.3, 10.0)


@pytest.fixture
def lesson():
    chance = np.random.default_rng(3)
    z = chance.normal(size=(50, 4)) / 2
    y = np.stack([np.sin(3 * z[:, 0]) + z[:, 1], 5 + z[:, 2] ** 2], axis=1)
    return z[:40], y[:40] + 0.05 * chance.normal(size=(40, 2)), z[40:], y[40:]


def median(z):
    squared = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    return np.median(squared[np.triu_indices(len(z), k=1)])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_linear_is_sklearns_ridge(lesson, alpha):
    z, y, new, _ = lesson
    machine = FAMILIES["linear"].fit(z, y, Setting(alpha, float("nan")))
    theirs = Ridge(alpha=alpha).fit(z, y)
    assert machine.weights == pytest.approx(theirs.coef_.T, rel=1e-6, abs=1e-9)
    assert machine(new) == pytest.approx(theirs.predict(new), rel=1e-6)


@pytest.mark.parametrize(("alpha", "width"), [(0.01, 0.03), (0.3, 0.3), (10.0, 1.0)])
def test_rbf_is_sklearns_kernel_ridge(lesson, alpha, width):
    z, y, new, _ = lesson
    machine = FAMILIES["rbf"].fit(z, y, Setting(alpha, width))
    theirs = KernelRidge(alpha=alpha, kernel="rbf", gamma=width / median(z)).fit(z, y - y.mean(0))
    assert machine(new) == pytest.approx(theirs.predict(new) + y.mean(axis=0), rel=1e-6)


def test_the_process_is_sklearns(lesson):
    z, y, new, _ = lesson
    machine = FAMILIES["gaussian_process"].fit(z, y, Setting(float("nan"), float("nan")))
    length = np.sqrt(median(z) / 2)
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(length, (0.1 * length, 30 * length))
    kernel += WhiteKernel(0.1, (1e-4, 1e1))
    theirs = GaussianProcessRegressor(kernel, normalize_y=True).fit(z, y)
    assert machine(new) == pytest.approx(theirs.predict(new), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_what_is_tried_is_what_is_fitted(lesson, name):
    z, y, new, _ = lesson
    family = FAMILIES[name]
    tried = family.tried(z, y, new, alphas=ALPHAS)
    settings = family.settings(ALPHAS)
    assert len(tried) == len(settings)
    for found, setting in zip(tried, settings, strict=True):
        assert found == pytest.approx(family.fit(z, y, setting)(new), rel=1e-5, abs=1e-6)


def test_kernels_learn_what_a_line_cannot(lesson):
    z, _, new, _ = lesson
    y, truth = (np.abs(rows[:, :2]) for rows in (z, new))
    error = {}
    for name, setting in (
        ("linear", Setting(0.01, float("nan"))),
        ("rbf", Setting(0.01, 0.3)),
        ("gaussian_process", Setting(float("nan"), float("nan"))),
    ):
        error[name] = np.abs(FAMILIES[name].fit(z, y, setting)(new) - truth).mean()
    assert error["rbf"] < 0.7 * error["linear"]
    assert error["gaussian_process"] < 0.7 * error["linear"]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_machine_is_arrays(lesson, name):
    z, y, new, _ = lesson
    family = FAMILIES[name]
    machine = family.fit(z, y, family.settings(ALPHAS)[0])
    read = machine_from(machine.arrays())
    assert isinstance(read, LinearMachine if name == "linear" else KernelMachine)
    assert (read(new) == machine(new)).all()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_photos_that_are_all_alike_give_the_mean(name):
    z, y = np.zeros((12, 3)), np.arange(24.0).reshape(12, 2)
    family = FAMILIES[name]
    machine = family.fit(z, y, family.settings(ALPHAS)[-1])
    assert machine(np.zeros((2, 3))) == pytest.approx(np.tile(y.mean(axis=0), (2, 1)), rel=1e-4)
