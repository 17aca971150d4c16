"""Two runs beside each other: what went in, and whether the scores differ by more than chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config.record import differing
from biomass_pipeline.errors import IncomparableRunsError, UndefinedScoreError
from biomass_pipeline.scoring import compare_models, weighted_r2

Floats = NDArray[np.float64]

# Of what goes into a score, beside the configuration: which decoder, network or library.
_MADE_OF = "made_of"


@dataclass(frozen=True)
class ScoredRun:
    """What a run left under its root folder.

    Attributes:
        metrics: As `metrics.json` holds them.
        oof: Columns `image_id, fold, group, target, y_true, y_pred, model`.
        manifest: Columns `image_id, sha256`.
    """

    metrics: Mapping[str, Any]
    oof: pd.DataFrame
    manifest: pd.DataFrame

    @property
    def models(self) -> list[str]:
        """The models that predicted."""
        return sorted(map(str, self.oof["model"].unique()))

    @property
    def record(self) -> Mapping[str, Any] | None:
        """Configuration, versions and extraction behind the scores; None in files of before."""
        found: Mapping[str, Any] | None = self.metrics.get(_MADE_OF)
        return found

    def cells(self, model: str) -> pd.DataFrame:
        """A row a photo: `group`, `fold`, and by target what was measured and predicted."""
        rows = self.oof[self.oof["model"] == model]
        wide = rows.set_index(["image_id", "target"])[["y_true", "y_pred"]].unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
        about = rows.drop_duplicates("image_id").set_index("image_id")[["group", "fold"]]
        about.columns = pd.MultiIndex.from_product([about.columns, [""]])
        return pd.DataFrame(about.join(wide))


def compare_runs(
    before: ScoredRun,
    after: ScoredRun,
    *,
    models: tuple[str, str],
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """What changed from one run to another, and what it did to the score.

    Scores are compared on photos with the same id, bytes and labels in both runs, by the second
    run's weights; groups are drawn in pairs, the coarser ones if the runs group differently.

    Args:
        before: One run.
        after: The other.
        models: Which model of each.
        n_resamples: Draws of groups.
        seed: Of the draws.

    Returns:
        Ready for JSON: `configuration` and `versions` (`key, before, after`; null if a run does
        not say), `extraction`, `photos` (ids `added, removed, changed_bytes, relabelled,
        other_fold`), `scores` (of all a run's own photos, by run) and `paired`: `n_images,
        n_groups, remarks`, and `global` and each of `targets` with `before, after, difference,
        lower, upper, p_value, effect_size`, or null where the labels have no spread. A difference
        is after minus before.

    Raises:
        IncomparableRunsError: They share no target, or no photo with the same bytes and labels.
    """
    one, other = before.cells(models[0]), after.cells(models[1])
    targets = [name for name in after.metrics["protocol"]["weights"] if _both(name, one, other)]
    if not targets:
        raise IncomparableRunsError("they share no target")
    photos = _photos(before, after, (one, other), targets)
    return {
        "models": {"before": models[0], "after": models[1]},
        **_made_of(before, after),
        "photos": photos,
        "scores": {
            "before": _own_scores(before, models[0]),
            "after": _own_scores(after, models[1]),
        },
        "paired": _paired(
            _common(one, other, without=photos),
            weights=_weights(after, targets),
            remarks=list(_remarks(before, after, targets)),
            chance=(seed, n_resamples),
        ),
    }


def _both(target: str, one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return ("y_pred", target) in one.columns and ("y_pred", target) in other.columns


def _weights(run: ScoredRun, targets: Sequence[str]) -> dict[str, float]:
    weights = run.metrics["protocol"]["weights"]
    return {target: float(weights[target]) for target in targets}


def _made_of(before: ScoredRun, after: ScoredRun) -> dict[str, Any]:
    one, other = before.record, after.record
    extractions = {
        "before": one and one.get("extraction"),
        "after": other and other.get("extraction"),
    }
    if one is None or other is None:
        return {"configuration": None, "versions": None, "extraction": extractions}
    return {
        part: [
            {"key": key, "before": was, "after": now}
            for key, was, now in differing(one.get(part, {}), other.get(part, {}))
        ]
        for part in ("configuration", "versions")
    } | {"extraction": extractions}


def _photos(
    before: ScoredRun,
    after: ScoredRun,
    cells: tuple[pd.DataFrame, pd.DataFrame],
    targets: Sequence[str],
) -> dict[str, list[str]]:
    """Ids of photos that are not the same in both runs, by what differs."""
    one, other = cells
    shared = one.index.intersection(other.index)
    bytes_of = [
        run.manifest.drop_duplicates("image_id").set_index("image_id")["sha256"]
        for run in (before, after)
    ]
    was, now = (column.reindex(shared).to_numpy(dtype=object) for column in bytes_of)
    true_was, true_now = (_array(part.loc[shared], "y_true", targets) for part in cells)
    alike = np.isclose(true_was, true_now, rtol=0, atol=1e-9, equal_nan=True)
    relabelled = np.asarray(~alike.all(axis=1), dtype=bool)
    moved = one.loc[shared, ("fold", "")].to_numpy() != other.loc[shared, ("fold", "")].to_numpy()
    return {
        "added": _ids(other.index.difference(one.index)),
        "removed": _ids(one.index.difference(other.index)),
        "changed_bytes": _ids(shared[np.asarray(was != now, dtype=bool)]),
        "relabelled": _ids(shared[relabelled]),
        "other_fold": _ids(shared[moved]),
    }


def _ids(index: pd.Index) -> list[str]:
    return sorted(map(str, index))


def _own_scores(run: ScoredRun, model: str) -> dict[str, Any]:
    found = run.metrics["models"][model]
    return {
        "n_images": run.metrics["n_images"],
        "n_groups": run.metrics["n_groups"],
        "global": found["weighted_r2"],
        "interval": found.get("weighted_r2_interval"),
        "floor": found.get("floor_r2"),
        "targets": {name: target["r2"] for name, target in found["targets"].items()},
    }


def _common(
    one: pd.DataFrame, other: pd.DataFrame, *, without: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the photos that are the same in both runs, in one order."""
    shared = one.index.intersection(other.index).sort_values()
    left_out = {*without["changed_bytes"], *without["relabelled"]}
    kept = shared[[str(name) not in left_out for name in shared]]
    if not len(kept):
        raise IncomparableRunsError("no photo has the same bytes and labels in both")
    return one.loc[kept], other.loc[kept]


def _remarks(before: ScoredRun, after: ScoredRun, targets: Sequence[str]) -> Iterator[str]:
    """What makes the runs less comparable than they look."""
    protocols = before.metrics["protocol"], after.metrics["protocol"]
    left_out = sorted({*protocols[0]["weights"], *protocols[1]["weights"]} - set(targets))
    if left_out:
        yield f"targets of one run only are left out: {', '.join(left_out)}"
    if _weights(before, targets) != _weights(after, targets):
        yield "the targets' weights differ: both are scored by those of the second run"
    if protocols[0]["group_columns"] != protocols[1]["group_columns"]:
        yield "the runs group photos differently: the coarser groups are drawn"


def _paired(
    common: tuple[pd.DataFrame, pd.DataFrame],
    *,
    weights: Mapping[str, float],
    remarks: list[str],
    chance: tuple[int, int],
) -> dict[str, Any]:
    groups = min((part[("group", "")].astype(str) for part in common), key=lambda g: g.nunique())

    def compared(weights: Mapping[str, float]) -> dict[str, Any] | None:
        one, other = (_array(part, "y_pred", list(weights)) for part in common)
        true = _array(common[1], "y_true", list(weights))
        return _contest(true, (one, other), groups, weights, chance)

    return {
        "n_images": len(common[0]),
        "n_groups": int(groups.nunique()),
        "remarks": remarks,
        "global": compared(weights),
        # Alone, a target counts whatever its weight in the global score is.
        "targets": {name: compared({name: 1.0}) for name in weights},
    }


def _contest(
    true: Floats,
    predicted: tuple[Floats, Floats],
    groups: "pd.Series[str]",
    weights: Mapping[str, float],
    chance: tuple[int, int],
) -> dict[str, Any] | None:
    """After minus before on the same draws, with both scores; None where labels have no spread."""
    seed, n_resamples = chance
    names = list(weights)
    try:
        found = compare_models(
            true,
            (predicted[1], predicted[0]),
            groups.to_numpy(),
            column_weights=list(weights.values()),
            chance=np.random.default_rng(seed),
            n_resamples=n_resamples,
        )
        scores = [weighted_r2(true, pred, targets=names, weights=weights) for pred in predicted]
    except UndefinedScoreError:
        return None
    told = asdict(found)
    told.pop("n_groups")
    return {"before": scores[0], "after": scores[1], **told}


def _array(cells: pd.DataFrame, what: str, targets: Sequence[str]) -> Floats:
    return np.column_stack([cells[(what, target)].to_numpy(dtype=float) for target in targets])
