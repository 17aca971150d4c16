"""Other ways to hold photos out, side by side, and what more groups would bring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from biomass_pipeline.reporting.scores import MODEL_NAMES, model_name
from biomass_pipeline.reporting.table import Head, Row, Table, count, score

# Nearer than this in R2, random folds are not said to promise more.
_LEVEL: Final = 0.01
# A last step of the learning curve below this is called flat.
_FLAT: Final = 0.01

_QUESTIONS: Final = {
    "grouped": "new groups",
    "leave-out": "a new {column}",
    "forward": "later dates",
    "random": "photos of known groups",
}


@dataclass(frozen=True)
class Spread:
    """A score over repeats; the standard deviation is None for a single one."""

    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class ProtocolLine:
    """One protocol.

    Attributes:
        name: As in the configuration's key.
        question: What is held out, in a reader's words.
        optimistic: Whether photos of one group are on both sides.
        n_repeats: How often it was dealt anew.
        n_images: Photos predicted.
        models: Scores by model, floor first.
    """

    name: str
    question: str
    optimistic: bool
    n_repeats: int
    n_images: int
    models: Mapping[str, Spread]


@dataclass(frozen=True)
class CurvePoint:
    """A model's score from so many training groups."""

    model: str
    n_train_groups: float
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Protocols:
    """What `evaluation.compare_protocols` found.

    Attributes:
        lines: The protocols that ran, in the order of the file.
        gaps: By model, what random folds promise more than group folds.
        curve: The learning curve, by model, then groups.
        remarks: What had to be left out, and what has not run.
    """

    lines: tuple[ProtocolLine, ...]
    gaps: Mapping[str, float]
    curve: tuple[CurvePoint, ...]
    remarks: tuple[str, ...]


def read_protocols(found: Mapping[str, Any] | None) -> Protocols:
    """Take what the page shows out of `protocols.json`; nothing if there is no such file."""
    families = (found or {}).get("protocols", {})
    return Protocols(
        lines=tuple(_line(name, family) for name, family in families.items() if family["models"]),
        gaps=(found or {}).get("random_minus_grouped", {}),
        curve=tuple(
            CurvePoint(point["model"], point["n_train_groups"], point["mean"], point["sd"])
            for point in (found or {}).get("learning_curve", ())
        ),
        remarks=tuple(dict.fromkeys((*_networks(found or {}), *_remarks(families)))),
    )


def protocol_table(protocols: Protocols) -> Table:
    """Every protocol with the mean and standard deviation of each model's global R2."""
    models = models_of(protocols)
    rows = tuple(
        Row(
            (Head(line.name), Head(line.question + _times(line))),
            (count(line.n_images), *(_spread(line.models.get(model)) for model in models)),
        )
        for line in protocols.lines
    )
    return Table(
        "Global weighted R² by what is held out; mean ± standard deviation over repeats with "
        "other seeds.",
        ("Protocol", "Predicts", "Photos", *map(model_name, models)),
        rows,
    )


def models_of(protocols: Protocols) -> list[str]:
    """The models that any protocol scored, floor first."""
    there = {model for line in protocols.lines for model in line.models}
    return [name for name in MODEL_NAMES if name in there] + sorted(there - set(MODEL_NAMES))


def gap_sentence(protocols: Protocols, *, model: str) -> str:
    """How much random folds flatter; empty if that was not asked."""
    gap = protocols.gaps.get(model, next(iter(protocols.gaps.values()), None))
    if gap is None:
        return ""
    if gap <= _LEVEL:
        return (
            "Random folds score no higher than group folds here: recognising a group's photos "
            "does not pay."
        )
    return (
        f"Random folds, which are marked optimistic, promise {score(gap)} more R² than new groups "
        f"give: that much comes from recognising groups already seen, and is not to be expected "
        f"in the field."
    )


def curve_sentence(protocols: Protocols, *, model: str) -> str:
    """Whether more groups would help; empty without a learning curve."""
    points = curve_of(protocols, model)
    if len(points) < 2:  # noqa: PLR2004  # a step needs two points
        return ""
    before, last = points[-2], points[-1]
    gained = last.mean - before.mean
    step = f"from {before.n_train_groups:.0f} to {last.n_train_groups:.0f} training groups"
    if gained > _FLAT:
        return f"The score still rises, by {score(gained)} {step}: more groups would help."
    return f"The score hardly rises any more ({score(gained)} {step}): more groups alone may not."


def curve_of(protocols: Protocols, model: str) -> list[CurvePoint]:
    """One model's learning curve, or that of the last model there is."""
    models = list(dict.fromkeys(point.model for point in protocols.curve))
    chosen = model if model in models or not models else models[-1]
    points = [point for point in protocols.curve if point.model == chosen]
    return sorted(points, key=lambda point: point.n_train_groups)


def _line(name: str, family: Mapping[str, Any]) -> ProtocolLine:
    kind = family["kind"]
    question = _QUESTIONS.get(kind, kind).format(column=name.removeprefix("leave-out-"))
    scores = {
        model: Spread(found["weighted_r2"]["mean"], found["weighted_r2"]["sd"])
        for model, found in family["models"].items()
    }
    order = [model for model in MODEL_NAMES if model in scores]
    return ProtocolLine(
        name=name,
        question=f"{question} (optimistic)" if family["optimistic"] else question,
        optimistic=family["optimistic"],
        n_repeats=family["n_repeats"],
        n_images=family["n_images"],
        models={model: scores[model] for model in [*order, *sorted(set(scores) - set(order))]},
    )


def _networks(found: Mapping[str, Any]) -> Iterator[str]:
    """How much smaller the models of a protocol are than those of the folds."""
    if n_networks := found.get("n_networks"):
        yield (
            f"Each split has {n_networks} network(s) of its own, so compare protocols with one "
            f"another and not with the headline (`evaluation.protocols.n_networks`)."
        )


def _remarks(families: Mapping[str, Any]) -> Iterator[str]:
    for name, family in families.items():
        yield from (f"{name}: {remark}" for remark in family.get("remarks", ()))
        if family.get("missing"):
            yield f"{name}: {count(len(family['missing']))} repeat(s) have not run yet."


def _times(line: ProtocolLine) -> str:
    return f", {count(line.n_repeats)} times" if line.n_repeats > 1 else ""


def _spread(found: Spread | None) -> str:
    if found is None:
        return score(None)
    return score(found.mean) + ("" if found.sd is None else f" ± {score(found.sd)}")
