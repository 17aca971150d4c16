"""One fold's models as named arrays and back, bit by bit. Every name and shape is known before."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.inference.bundle_record import FoldRecord, RidgeRecord
from biomass_pipeline.inference.fold_shapes import blank_network, check_arrays, slots_of
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.checkpoints import TrainedFold
from biomass_pipeline.mil.fitted import FittedNetwork, InnerOutputs
from biomass_pipeline.mil.models import FoldModels
from biomass_pipeline.mil.network import outputs_of
from biomass_pipeline.mil.novelty import Novelty
from biomass_pipeline.mil.ridge import RidgeModel
from biomass_pipeline.mil.ridge.labels import TRANSFORMS
from biomass_pipeline.mil.ridge.machines import LinearMachine, machine_from
from biomass_pipeline.mil.ridge.model import Member
from biomass_pipeline.mil.ridge.pooling import POOLINGS
from biomass_pipeline.mil.ridge.scaling import BlockScale
from biomass_pipeline.mil.targets import TargetSpec

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Names:
    """Texts that arrays name by their place.

    Attributes:
        known: Sorted, each once.
    """

    known: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Names":
        """All of these texts."""
        return cls(tuple(sorted({str(text) for text in texts})))

    def places(self, texts: NDArray[np.str_]) -> NDArray[np.int64]:
        """Where each text stands, shape (text,)."""
        place = {name: i for i, name in enumerate(self.known)}
        return np.array([place[str(text)] for text in texts], dtype=np.int64)

    def at(self, places: NDArray[np.int64]) -> NDArray[np.str_]:
        """The texts at these places.

        Raises:
            ValueError: There is no such place.
        """
        if len(places) and not 0 <= places.min() <= places.max() < len(self.known):
            msg = "an array names a photo or group that is not listed"
            raise ValueError(msg)
        return np.array([self.known[place] for place in places.tolist()], dtype=np.str_)


@dataclass(frozen=True)
class Lists:
    """The texts of all folds: ids of training photos, and their groups."""

    photos: Names
    groups: Names

    @classmethod
    def of(cls, folds: Iterable[FoldModels]) -> "Lists":
        """Those that any of the folds names."""
        tables = [table for fold in folds for table in _tables(fold)]
        return cls(
            Names.of(name for table in tables for name in table.image_ids),
            Names.of(name for table in tables for name in table.groups),
        )

    @classmethod
    def listed(cls, photos: tuple[str, ...], groups: tuple[str, ...]) -> "Lists":
        """Those of a record."""
        return cls(Names(photos), Names(groups))

    def places(self, table: InnerTable | InnerOutputs, prefix: str) -> Arrays:
        """A table's texts as arrays."""
        return {
            f"{prefix}photo": self.photos.places(table.image_ids),
            f"{prefix}group": self.groups.places(table.groups),
        }

    def texts(self, arrays: Arrays, prefix: str) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Undo `places`: image ids and groups."""
        return self.photos.at(arrays[f"{prefix}photo"]), self.groups.at(arrays[f"{prefix}group"])


def arrays_of(models: FoldModels, lists: Lists) -> Arrays:
    """Everything of a fold that is a number in an array."""
    found: Arrays = {}
    for number, fitted in enumerate(models.network.members):
        prefix = f"network_{number}/"
        state = fitted.network.state_dict()
        found |= {f"{prefix}state/{name}": value.cpu().numpy() for name, value in state.items()}
        found[f"{prefix}best_error"] = np.array(fitted.best_error, dtype=np.float64)
        found |= lists.places(fitted.inner, f"{prefix}inner/")
        found |= _numbers(fitted.inner, f"{prefix}inner/", ("y", "outputs", "ranks"))
    for number, member in enumerate(models.ridge.members):
        held = {**member.scale.arrays(), **member.machine.arrays(), "alpha": np.array(member.alpha)}
        found |= {f"ridge_{number}/{name}": values for name, values in held.items()}
    found |= lists.places(models.ridge.inner, "ridge/inner/")
    found |= _numbers(models.ridge.inner, "ridge/inner/", ("y", "components", "ranks"))
    return found | {
        f"ridge/{name}": np.asarray(v) for name, v in models.ridge.novelty.arrays().items()
    }


def record_of(models: FoldModels, *, sha256: str, n_bytes: int) -> FoldRecord:
    """Everything of a fold that is no array."""
    network, ridge = models.network, models.ridge
    return FoldRecord(
        sha256=sha256,
        n_bytes=n_bytes,
        feature_dim=network.feature_dim,
        network=network.fingerprint,
        training=TrainingConfig.model_validate(dict(network.members[0].hyper["training"])),
        best_epochs=tuple(member.best_epoch for member in network.members),
        has_ranks=network.inner.ranks is not None,
        ridge=ridge.fingerprint,
        poolings=ridge.poolings,
        machines=tuple(
            RidgeRecord(
                transform=member.transform,
                relevance=member.relevance,
                machine="linear" if isinstance(member.machine, LinearMachine) else "kernel",
            )
            for member in ridge.members
        ),
    )


def models_of(
    record: FoldRecord, arrays: Arrays, *, targets: TargetSpec, lists: Lists
) -> FoldModels:
    """Undo `arrays_of` and `record_of`.

    Raises:
        ValueError: An array is missing, unknown, or of another shape or type than it must be; or
            a name in the record is of nothing that this package has.
    """
    unknown = {*record.poolings} - {*POOLINGS} | {m.transform for m in record.machines} - {
        *TRANSFORMS
    }
    if unknown:
        msg = f"nothing here is called {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    check_arrays(arrays, slots_of(record, targets, n_arrays=len(arrays)))
    members = tuple(
        _network(record, number, arrays, targets=targets, lists=lists)
        for number in range(len(record.best_epochs))
    )
    return FoldModels(
        TrainedFold.assemble(members, fingerprint=record.network),
        RidgeModel(
            poolings=record.poolings,
            members=tuple(
                _member(fact, _below(arrays, f"ridge_{number}/"))
                for number, fact in enumerate(record.machines)
            ),
            targets=targets,
            fingerprint=record.ridge,
            novelty=Novelty.from_arrays(_below(arrays, "ridge/")),
            inner=InnerTable(
                *lists.texts(arrays, "ridge/inner/"),
                y=arrays["ridge/inner/y"],
                components=arrays["ridge/inner/components"],
            ),
        ),
    )


def _network(
    record: FoldRecord, number: int, arrays: Arrays, *, targets: TargetSpec, lists: Lists
) -> FittedNetwork:
    held = _below(arrays, f"network_{number}/")
    # Building draws weights that are replaced at once: the caller's chance must not notice.
    with torch.random.fork_rng(devices=[]):
        network = blank_network(record, outputs_of(targets, record.training))
    state = {name: torch.from_numpy(values) for name, values in _below(held, "state/").items()}
    network.load_state_dict(state)
    return FittedNetwork(
        network=network.eval().requires_grad_(requires_grad=False),
        inner=InnerOutputs(
            *lists.texts(held, "inner/"),
            y=held["inner/y"],
            outputs=held["inner/outputs"],
            ranks=held.get("inner/ranks"),
        ),
        best_epoch=record.best_epochs[number],
        best_error=float(held["best_error"]),
        hyper={
            "feature_dim": record.feature_dim,
            "targets": targets.to_plain(),
            "training": record.training.model_dump(mode="json"),
        },
    )


def _member(fact: RidgeRecord, arrays: Arrays) -> Member:
    return Member(
        transform=fact.transform,
        relevance=fact.relevance,
        alpha=float(arrays["alpha"]),
        scale=BlockScale.from_arrays(arrays),
        machine=machine_from(arrays),
    )


def _numbers(table: object, prefix: str, names: Iterable[str]) -> Arrays:
    found = {f"{prefix}{name}": getattr(table, name) for name in names}
    return {name: values for name, values in found.items() if values is not None}


def _tables(models: FoldModels) -> list[InnerTable | InnerOutputs]:
    return [*(member.inner for member in models.network.members), models.ridge.inner]


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
