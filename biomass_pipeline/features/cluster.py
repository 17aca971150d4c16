"""The extraction engine of many machines: the same blocks as the local one's, through Ray Data.

Each worker holds the backbone and runs the local engine on a few photos at a time; blocks stream
back to the caller, who writes them. Nothing is lost and nothing comes twice: what has arrived is
kept here, tile by tile, and what a dead worker took with it is asked for again.
"""

import copy
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import RayConfig
from biomass_pipeline.errors import ClusterFailedError, ClusterWorkerError
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.cluster_session import Seats, cluster, load_ray
from biomass_pipeline.features.cluster_worker import (
    Job,
    Ledger,
    Worker,
    deciding_versions,
    pack_task,
    sentence,
    unpack_blocks,
)
from biomass_pipeline.features.engine import Block
from biomass_pipeline.features.photos import Photo, Reading

# A task is large enough that its start is lost in it, and small enough to be done again.
_TILES_PER_TASK = {"cpu": 64, "gpu": 1024}
# Rows are sent on when there are so many: a block costs the driver tens of milliseconds, and what
# was not sent is lost with a worker. A slow network's rows come often enough in small blocks.
BLOCK_BYTES = {"cpu": 2**18, "gpu": 2**22}
# So many tasks a worker at least, that the last ones end together.
_TASKS_PER_ACTOR = 8
# A large network on a CPU takes long over a task; a busy cluster may have no room for as long.
_PATIENCE_S = 4 * 3600
_DIED = (
    "the worker's process died each time that this photo was tried: a crash, or too little memory"
)

Wanted = Mapping[int, NDArray[np.int64]]


def embed_on_ray(
    photos: Sequence[Photo],
    wanted: Wanted,
    *,
    reading: Reading,
    build: Callable[[], Sequence[Backbone]],
    spec: RayConfig,
) -> Generator[Block]:
    """Yield the rows of the tiles that are wanted, in the order in which workers finish them.

    Where nothing is wanted, Ray is neither imported nor started. A photo that cannot be embedded
    gives a block with the reason; so does one under which its worker's process died every time.

    Args:
        photos: The photos of a fold.
        wanted: For each photo's position, the positions of its tiles to embed.
        reading: How photos are read, from every machine of the cluster; its `open` is shipped.
        build: Makes the backbones inside a worker, on the devices that Ray gives it; shipped.
        spec: Which cluster, and how it is used.

    Raises:
        MissingRayError: Ray is not installed.
        UnreachableClusterError: No cluster answers at the address.
        SmallClusterError: The workers asked for do not fit.
        ClusterWorkerError: A worker cannot work at all: its backbone, its packages, its memory.
        ClusterFailedError: Ray itself gave up.
    """
    missing = _Missing(wanted)
    if not missing:
        return
    with cluster(spec) as (ray, seats):
        job = Job(reading, build, deciding_versions())
        for tiles_per_task in (_tiles_per_task(missing, seats), 1):
            tasks = _tasks(photos, missing, tiles_per_task)
            with closing(_stream(ray, tasks, job=job, seats=seats)) as blocks:
                for block in blocks:
                    new = missing.take(block)
                    if new is not None:
                        yield new
            if not missing:
                return
        for photo in missing.photos():
            yield Block.refused(photo, _DIED)


class _Missing:
    """The tiles that have not arrived."""

    def __init__(self, wanted: Wanted) -> None:
        self._left = {photo: tiles for photo, tiles in wanted.items() if len(tiles)}

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def n_tiles(self) -> int:
        return sum(map(len, self._left.values()))

    def photos(self) -> list[int]:
        return list(self._left)

    def tiles(self, photo: int) -> NDArray[np.int64]:
        return self._left[photo]

    def take(self, block: Block) -> Block | None:
        """What is new in a block: a task that was begun twice may send it twice."""
        left = self._left.get(block.photo)
        if left is None:
            return None
        if block.reason:
            del self._left[block.photo]
            return block
        still = np.setdiff1d(left, block.tiles)
        if len(still):
            self._left[block.photo] = still
        else:
            del self._left[block.photo]
        return _only(block, np.isin(block.tiles, left))


def _only(block: Block, new: NDArray[np.bool_]) -> Block | None:
    """The new tiles of a block, if there are any."""
    if new.all():
        return block
    if not new.any():
        return None
    width = block.features.shape[1]
    rows = block.features.reshape(len(new), -1, width)[new]
    return Block(block.photo, block.tiles[new], rows.reshape(-1, width))


def _kind(seats: Seats) -> str:
    return "gpu" if seats.gpus else "cpu"


def _tiles_per_task(missing: _Missing, seats: Seats) -> int:
    most = _TILES_PER_TASK[_kind(seats)]
    return max(1, min(most, missing.n_tiles // (seats.actors * _TASKS_PER_ACTOR)))


def _tasks(photos: Sequence[Photo], missing: _Missing, tiles_per_task: int) -> list[Any]:
    """Tables of a few photos each, in the photos' order; a photo is never split."""
    tasks: list[Any] = []
    filling: list[tuple[int, Photo, NDArray[np.int64]]] = []
    n_tiles = 0
    for position in missing.photos():
        tiles = missing.tiles(position)
        if filling and n_tiles + len(tiles) > tiles_per_task:
            tasks.append(pack_task(len(tasks), filling))
            filling, n_tiles = [], 0
        filling.append((position, photos[position], tiles))
        n_tiles += len(tiles)
    tasks.append(pack_task(len(tasks), filling))
    return tasks


def _stream(ray: Any, tasks: list[Any], *, job: Job, seats: Seats) -> Generator[Block]:  # noqa: ANN401  # a module
    """Blocks as they arrive; some may be missing and some come twice.

    Raises:
        ClusterWorkerError: A worker gave up.
        ClusterFailedError: Ray gave up.
    """
    ledger = ray.remote(num_cpus=0)(Ledger).remote(min(seats.actors, len(tasks)))
    try:
        run = _relayed if ray.util.client.ray.is_connected() else _tables
        for table in run(ray, tasks, ledger, job=job, seats=seats):
            yield from unpack_blocks(table)
        verdict = ray.get(ledger.verdict.remote())
    except Exception as error:  # Ray and Ray Data have no common base
        raise ClusterFailedError(sentence(error)) from error
    finally:
        _kill(ray, ledger)
    if verdict.trouble:
        raise ClusterWorkerError(verdict.host, verdict.trouble)


def _tables(ray: Any, tasks: list[Any], ledger: Any, *, job: Job, seats: Seats) -> Iterator[Any]:  # noqa: ANN401  # a module and a handle
    """Run the tasks in a pool of workers, one block of Ray's a task, and give what they send."""
    n_actors = min(seats.actors, len(tasks))
    # One that is up may begin: on a busy cluster the others come when there is room.
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=n_actors, initial_size=n_actors)
    with ray.data.DataContext.current(_options(ray, seats)):
        dataset = ray.data.from_arrow(tasks).map_batches(
            Worker,
            fn_constructor_args=(job, ledger),
            batch_size=None,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=seats.cpus,
            num_gpus=seats.gpus or None,
        )
        batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    return iter(batches)


class _Relay:
    """Runs the tasks from inside the cluster, for a driver outside of it."""

    def __init__(self, tasks: list[Any], ledger: Any, job: Job, seats: Seats) -> None:  # noqa: ANN401  # a handle
        self._tables = _tables(load_ray(), tasks, ledger, job=job, seats=seats)

    def pull(self) -> Any:  # noqa: ANN401  # a table, and None at the end
        """The next table."""
        return next(self._tables, None)


def _relayed(ray: Any, tasks: list[Any], ledger: Any, *, job: Job, seats: Seats) -> Iterator[Any]:  # noqa: ANN401  # as above
    """As `_tables`, through an address `ray://`, over which Ray Data itself does not work."""
    relay = ray.remote(num_cpus=0)(_Relay).remote(tasks, ledger, job, seats)
    try:
        while (table := ray.get(relay.pull.remote())) is not None:
            yield table
    finally:
        _kill(ray, relay)


def _kill(ray: Any, actor: Any) -> None:  # noqa: ANN401  # a module and a handle
    # Collected late, a generator may find Ray shut down; asked to kill, Ray would start anew.
    if ray.is_initialized():
        ray.kill(actor)


def _options(ray: Any, seats: Seats) -> Any:  # noqa: ANN401  # Ray's own
    """Ray Data's options for one extraction; the process's own stay as they are."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        # The first one of a process warns about fields that it sets itself.
        options = copy.deepcopy(ray.data.DataContext.get_current())
    options.enable_progress_bars = False
    options.print_on_execution_start = False
    options.target_max_block_size = BLOCK_BYTES[_kind(seats)]
    options.execution_no_progress_timeout_s = _PATIENCE_S
    options.execution_options.resource_limits = ray.data.ExecutionResources(
        object_store_memory=seats.store_bytes
    )
    return options
