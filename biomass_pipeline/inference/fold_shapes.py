"""The names, types and shapes of a fold's arrays, known before a file is believed."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from biomass_pipeline.inference.bundle_record import FoldRecord
from biomass_pipeline.mil.network import BagNetwork, outputs_of
from biomass_pipeline.mil.targets import TargetSpec

# A count that the file decides is a name; the same name is the same count.
Slot = tuple[str, tuple[int | str, ...]]

_FLOAT, _PLACE = "float64", "int64"


def check_arrays(arrays: Mapping[str, NDArray[Any]], slots: Mapping[str, Slot]) -> None:
    """Compare names, types and shapes with what they must be.

    Raises:
        ValueError: They differ; the first difference is named.
    """
    if lacking := sorted(slots.keys() - arrays.keys()):
        msg = f"{len(lacking)} arrays are missing, such as {lacking[0]}"
        raise ValueError(msg)
    if extra := sorted(arrays.keys() - slots.keys()):
        msg = f"{len(extra)} arrays are unknown, such as {extra[0]}"
        raise ValueError(msg)
    counts: dict[str, int] = {}
    for name, (kind, shape) in slots.items():
        found = arrays[name]
        fits = len(shape) == found.ndim and all(
            size == (counts.setdefault(slot, size) if isinstance(slot, str) else slot)
            for slot, size in zip(shape, found.shape, strict=True)
        )
        if str(found.dtype) != kind or not fits:
            wanted = tuple(counts.get(str(slot), slot) for slot in shape)
            msg = f"{name} is {found.dtype} of shape {found.shape} instead of {kind} of {wanted}"
            raise ValueError(msg)


def slots_of(record: FoldRecord, targets: TargetSpec, *, n_arrays: int) -> dict[str, Slot]:
    """Every array that a fold must have, with its type and shape; nothing is given memory for it.

    Args:
        record: What is known of the fold.
        targets: What it predicts.
        n_arrays: How many arrays there are.

    Raises:
        ValueError: A network of so many layers has more arrays than that.
    """
    if record.training.n_layers > n_arrays:
        msg = f"{n_arrays} arrays cannot be {record.training.n_layers} layers"
        raise ValueError(msg)
    return dict([*_network_slots(record, targets), *_ridge_slots(record, targets)])


def blank_network(record: FoldRecord, outputs: TargetSpec) -> BagNetwork:
    """A network of the fold's make that has learnt nothing.

    Args:
        record: What it is made of.
        outputs: What it puts out.
    """
    return BagNetwork(feature_dim=record.feature_dim, targets=outputs, training=record.training)


def _network_slots(record: FoldRecord, targets: TargetSpec) -> Iterator[tuple[str, Slot]]:
    outputs = outputs_of(targets, record.training)
    try:
        with torch.device("meta"):
            state = blank_network(record, outputs).state_dict()
    except (RuntimeError, OverflowError) as error:
        msg = f"no network can be of these settings ({type(error).__name__})"
        raise ValueError(msg) from error
    kinds = {
        name: (str(v.dtype).removeprefix("torch."), tuple(v.shape)) for name, v in state.items()
    }
    for number in range(len(record.best_epochs)):
        prefix, rows = f"network_{number}/", f"rows of network {number}"
        yield from ((f"{prefix}state/{name}", kind) for name, kind in kinds.items())
        yield f"{prefix}best_error", (_FLOAT, ())
        yield from _table_slots(f"{prefix}inner/", rows, targets)
        yield f"{prefix}inner/outputs", (_FLOAT, (rows, len(outputs.components)))
        if record.has_ranks:
            yield f"{prefix}inner/ranks", (_FLOAT, (rows, len(outputs.components)))


def _ridge_slots(record: FoldRecord, targets: TargetSpec) -> Iterator[tuple[str, Slot]]:
    rows, n_components = "rows of the ridge", len(targets.components)
    yield from _table_slots("ridge/inner/", rows, targets)
    yield "ridge/inner/components", (_FLOAT, (rows, n_components))
    n_pooled = len(record.poolings) * record.feature_dim
    yield from _novelty_slots(n_pooled)
    for number, machine in enumerate(record.machines):
        of_machine = _linear_slots if machine.machine == "linear" else _kernel_slots
        found = _scale_slots(record) | of_machine(number, n_pooled, n_components)
        yield from ((f"ridge_{number}/{name}", slot) for name, slot in found.items())


def _table_slots(prefix: str, rows: str, targets: TargetSpec) -> Iterator[tuple[str, Slot]]:
    yield f"{prefix}photo", (_PLACE, (rows,))
    yield f"{prefix}group", (_PLACE, (rows,))
    yield f"{prefix}y", (_FLOAT, (rows, len(targets.names)))


def _novelty_slots(n_pooled: int) -> Iterator[tuple[str, Slot]]:
    shapes: dict[str, tuple[int | str, ...]] = {
        "mean": (n_pooled,),
        "sd": (n_pooled,),
        "basis": (n_pooled, "directions"),
        "variance": ("directions",),
        "residual": (),
        "distances": ("distances",),
        "reached": ("distances",),
    }
    yield from ((f"ridge/novelty_{name}", (_FLOAT, shape)) for name, shape in shapes.items())


def _scale_slots(record: FoldRecord) -> dict[str, Slot]:
    each: Slot = (_FLOAT, (len(record.poolings), record.feature_dim))
    number: Slot = (_FLOAT, ())
    return {"centre": each, "spread": each, "weight": each, "clip": number, "alpha": number}


def _linear_slots(_number: int, n_pooled: int, n_components: int) -> dict[str, Slot]:
    return {
        "weights": (_FLOAT, (n_pooled, n_components)),
        "intercept": (_FLOAT, (n_components,)),
    }


def _kernel_slots(number: int, n_pooled: int, n_components: int) -> dict[str, Slot]:
    learnt = f"photos of machine {number}"
    return {
        "support": (_FLOAT, (learnt, n_pooled)),
        "dual": (_FLOAT, (learnt, n_components)),
        "intercept": (_FLOAT, (n_components,)),
        "gamma": (_FLOAT, ()),
    }
