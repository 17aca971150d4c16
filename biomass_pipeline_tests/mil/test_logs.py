import csv

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from biomass_pipeline.mil.logs import epoch_loggers
from biomass_pipeline.mil.module import rate_factor
from biomass_pipeline_tests.mil.fits import fit, same

COLUMNS = {"epoch", "train_loss", "inner_error", "inner_r2", "learning_rate"}


def rows_of(folder):
    with (folder / "csv" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_an_epoch(five_field, quick, tmp_path):
    told = []
    training = quick.model_copy(update={"epochs": 5, "warmup_epochs": 2})
    fit(
        five_field,
        training,
        logs=tmp_path / "logs",
        loggers=("csv",),
        on_epoch=lambda epoch, error: told.append((epoch, error)),
    )
    rows = rows_of(tmp_path / "logs")
    assert set(rows[0]) >= COLUMNS
    assert [(int(row["epoch"]), float(row["inner_error"])) for row in rows] == told
    rates = [quick.learning_rate * rate_factor(n, epochs=5, warmup_epochs=2) for n in range(5)]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(rates)
    losses = [float(row["train_loss"]) for row in rows]
    assert losses[-1] < losses[0]
    assert all(float(row["inner_r2"]) < 1 for row in rows)
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"csv"}


def test_tensorboard_has_a_curve_a_column(five_field, quick, tmp_path):
    training = quick.model_copy(update={"epochs": 3})
    fit(five_field, training, logs=tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= COLUMNS
    points, rows = events.Scalars("inner_error"), rows_of(tmp_path)
    assert [point.step for point in points] == [int(row["epoch"]) for row in rows]
    errors = [float(row["inner_error"]) for row in rows]
    assert [point.value for point in points] == pytest.approx(errors)


def test_logs_change_nothing_that_is_learnt(five_field, quick, tmp_path):
    training = quick.model_copy(update={"epochs": 3})
    assert same(fit(five_field, training), fit(five_field, training, logs=tmp_path))


def test_an_earlier_log_is_replaced(five_field, quick, tmp_path):
    for epochs in (4, 2):
        fit(five_field, quick.model_copy(update={"epochs": epochs}), logs=tmp_path)
        assert len(rows_of(tmp_path)) == epochs
    assert len(list((tmp_path / "tensorboard").glob("events*"))) == 1


def test_an_r2_without_value_is_nan_in_the_table_and_no_point_of_a_curve(
    five_field, quick, tmp_path
):
    """Labels that are all one have no spread."""
    labels = five_field.labels.copy()
    labels[labels.columns[2:]] = 4.0
    field = type(five_field)(five_field.features, labels)
    fit(field, quick.model_copy(update={"epochs": 2, "head": "independent"}), logs=tmp_path)
    assert [row["inner_r2"] for row in rows_of(tmp_path)] == ["nan", "nan"]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert "inner_r2" not in events.Tags()["scalars"]


@pytest.mark.parametrize(("folder", "names"), [(None, ("csv",)), ("logs", ())])
def test_nothing_is_made_unasked(tmp_path, folder, names):
    assert epoch_loggers(folder and tmp_path / folder, names) == []
    assert list(tmp_path.iterdir()) == []
