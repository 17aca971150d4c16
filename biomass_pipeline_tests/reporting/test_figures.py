import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.reporting import canvas
from biomass_pipeline.reporting.canvas import DARK, LIGHT
from biomass_pipeline.reporting.figures import predicted_against_measured


def data_of(*names, unit="g"):
    return DataConfig(
        targets=tuple(TargetConfig(name=name, unit=unit) for name in names), identities={}
    )


def predictions(data, groups, *, n=60, model="mil", error=0.2, bars=True):
    """Predictions off by a known share, `n` photos spread over the groups."""
    rng = np.random.default_rng(1)
    tables = []
    for target in data.targets:
        true = rng.uniform(0, 100, n)
        pred = true * (1 + error * rng.standard_normal(n))
        half = 10.0 if bars else np.nan
        table = pd.DataFrame(
            {
                "image_id": [f"photo_{i}" for i in range(n)],
                "group": [groups[i % len(groups)] for i in range(n)],
                "target": target.name,
                "y_true": true,
                "y_pred": pred,
                "y_lower": pred - half,
                "y_upper": pred + half,
                "model": model,
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def rgb(colour):
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])


def count_near(pixels, colour, *, within=40):
    return int((np.abs(pixels - rgb(colour)).max(axis=2) < within).sum())


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c", "d")])
def test_each_target_has_a_panel_titled_with_its_name_unit_and_scores(names, drawn):
    data = data_of(*names)

    predicted_against_measured(predictions(data, ["State=WA|Date=1"]), data=data, model="mil")

    titles = [axes.get_title() for axes in drawn[0].axes]
    assert [title.split("\n")[0] for title in titles] == list(names)
    assert all("R²" in title and "RMSE" in title and title.endswith(" g") for title in titles)


def test_a_panel_title_holds_the_score_of_its_own_rows(drawn):
    data = data_of("exact", "off")
    oof = predictions(data, ["g"], error=0.0)
    oof.loc[oof["target"] == "off", "y_pred"] += 3.0

    predicted_against_measured(oof, data=data, model="mil")

    exact, off = [axes.get_title() for axes in drawn[0].axes]
    assert "R² 1.00, RMSE 0 g" in exact
    assert "RMSE 3 g" in off


def test_points_of_other_models_are_not_drawn():
    data = data_of("a")
    mine = predictions(data, ["g"])
    other = predictions(data, ["g"], model="ridge", error=5.0)
    both = pd.concat([other, mine], ignore_index=True)

    alone = predicted_against_measured(mine, data=data, model="mil")

    assert predicted_against_measured(both, data=data, model="mil") == alone


def test_the_same_predictions_give_the_same_bytes():
    data = data_of("a")
    oof = predictions(data, ["g"])

    first, second = (predicted_against_measured(oof, data=data, model="mil") for _ in range(2))

    assert first == second


def test_groups_are_told_apart_by_the_first_group_column():
    data = data_of("a")
    oof = predictions(data, ["State=NSW|Date=1", "State=WA|Date=1", "State=WA|Date=2"])

    pixels = decoded(predicted_against_measured(oof, data=data, model="mil"))

    assert all(count_near(pixels, colour, within=12) > 50 for colour in LIGHT.colours[:2])
    assert count_near(pixels, LIGHT.colours[2], within=12) == 0


def test_many_groups_become_shades_with_a_few_of_them_named(drawn):
    data = data_of("a")
    dates = [f"date=2018-01-{day:02d}" for day in range(1, 15)]

    predicted_against_measured(predictions(data, dates), data=data, model="mil")

    (legend,) = drawn[0].legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named[0] == dates[0]
    assert named[-1] == dates[-1]
    assert len(named) == 5


def test_the_theme_sets_paper_and_ink():
    data = data_of("a")
    oof = predictions(data, ["g"])

    light = decoded(predicted_against_measured(oof, data=data, model="mil"))
    dark = decoded(predicted_against_measured(oof, data=data, model="mil", theme=DARK))

    assert (np.abs(light[0, 0] - rgb(LIGHT.paper)) <= 3).all()
    assert (np.abs(dark[0, 0] - rgb(DARK.paper)) <= 3).all()
    assert light.shape == dark.shape


def test_a_model_without_intervals_is_drawn_without_bars():
    data = data_of("a")

    with_bars, without = (
        decoded(
            predicted_against_measured(predictions(data, ["g"], bars=bars), data=data, model="mil")
        )
        for bars in (True, False)
    )

    assert (with_bars != without).any()


def test_texts_are_shown_as_they_are_not_as_formulas_nor_left_out(drawn):
    data = data_of("cost_$a_{$")

    png = predicted_against_measured(predictions(data, ["_hidden=$x$|1"]), data=data, model="mil")

    assert decoded(png).size
    assert drawn[0].legends[0].get_texts()[0].get_text().endswith("_hidden=$x$")


def test_equal_labels_leave_r2_undefined_and_say_so(drawn):
    data = data_of("a", unit="fraction")
    oof = predictions(data, ["g"]).assign(y_true=0.0, y_pred=0.0)

    predicted_against_measured(oof, data=data, model="mil")

    assert drawn[0].axes[0].get_title() == "a\nR² not defined, RMSE 0 fraction"


def test_points_stay_inside_the_panel_even_below_zero(drawn):
    data = data_of("a")
    oof = predictions(data, ["g"])
    oof.loc[0, "y_pred"] = -55.0

    predicted_against_measured(oof, data=data, model="mil")

    low, high = drawn[0].axes[0].get_ylim()
    assert low < -55
    assert high > oof[["y_true", "y_pred"]].to_numpy().max()


@pytest.mark.parametrize("n", [1000])
def test_a_survey_of_five_targets_stays_below_100_kb(n):
    data = data_of("a", "b", "c", "d", "e")
    states = ["State=NSW|1", "State=Tas|1", "State=Vic|1", "State=WA|1"]

    png = predicted_against_measured(predictions(data, states, n=n), data=data, model="mil")

    assert len(png) < 100_000


def test_a_figure_that_is_too_large_is_drawn_coarser(monkeypatch):
    data = data_of("a")
    oof = predictions(data, ["g"])
    fine = decoded(predicted_against_measured(oof, data=data, model="mil"))
    monkeypatch.setattr(canvas, "_LIMIT_BYTES", 1)

    coarse = decoded(predicted_against_measured(oof, data=data, model="mil"))

    assert coarse.shape[0] < fine.shape[0]


def test_a_model_that_predicted_nothing_cannot_be_drawn():
    data = data_of("a")

    with pytest.raises(UndefinedScoreError, match="there is no image to score"):
        predicted_against_measured(predictions(data, ["g"]), data=data, model="ridge")


def test_a_long_group_name_is_shortened_in_the_legend(drawn):
    data = data_of("a")

    predicted_against_measured(predictions(data, ["x" * 300]), data=data, model="mil")

    (text,) = drawn[0].legends[0].get_texts()
    assert text.get_text().endswith("…")
    assert len(text.get_text()) < 50
