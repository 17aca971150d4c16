"""Which model was taken travels with the predictions, and comes out as it went in."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import evaluate, selection_of, with_choice
from biomass_pipeline.mil.stack import Choice

CANDIDATES = ("mil", "ridge", "stack")
# Where the inner labels are all alike there are no scores.
SCORES = st.fixed_dictionaries({m: st.floats(-1, 1) for m in CANDIDATES}) | st.just({})


def rows(fold):
    models = ("constant", *CANDIDATES, "auto")
    return pd.DataFrame({"model": models, "fold": fold, "y_pred": range(len(models))})


def choice(model, scores):
    return Choice(model=model, weights=None, scores=scores, inner=None, stack=None)


@given(
    st.dictionaries(
        st.integers(0, 9), st.tuples(st.sampled_from(CANDIDATES), SCORES), min_size=1, max_size=4
    )
)
def test_what_was_noted_is_read_again(made):
    noted = [with_choice(rows(fold), choice(*told)) for fold, told in made.items()]
    found = selection_of(pd.concat(noted), "auto")
    assert found.model == "auto"
    assert found.choices == {
        fold: {"model": model, "scores": scores} for fold, (model, scores) in made.items()
    }


def test_nothing_but_two_columns_is_added():
    table = rows(0)
    noted = with_choice(table, choice("ridge", {"mil": 0.1, "ridge": 0.5, "stack": 0.4}))
    pd.testing.assert_frame_equal(noted[list(table.columns)], table)
    assert set(noted["chosen"]) == {"ridge"}
    # The constant and auto were no candidates.
    assert noted.set_index("model")["inner_r2"].dropna().to_dict() == {
        "mil": 0.1,
        "ridge": 0.5,
        "stack": 0.4,
    }


def test_it_survives_a_file_and_reaches_the_metrics(tmp_path, folds, labels, data):
    scores = {"mil": 0.7, "ridge": 0.6}
    noted = [with_choice(table, choice("mil", scores)) for table in folds]
    file = tmp_path / "oof.parquet"
    pd.concat(noted).to_parquet(file, index=False)
    oof = pd.read_parquet(file)
    metrics = evaluate(
        oof,
        labels,
        data=data,
        evaluation=EvaluationConfig(n_resamples=100),
        selection=selection_of(oof, "mil"),
    ).metrics
    assert metrics["headline_model"] == "mil"
    assert {str(fold): told["model"] for fold, told in metrics["choices"].items()} == {
        "0": "mil",
        "1": "mil",
        "2": "mil",
    }
