"""What happens inside a Ray worker, and how photos get there and rows come back.

Everything here is shipped to other machines: it holds no lock, no open file and no handle of the
driver. Rows travel as bytes in Arrow's binary columns, so no number is touched on the way.
"""

import pickle
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.engine import Block, embed_photos
from biomass_pipeline.features.photos import Photo, Reading
from biomass_pipeline.imaging import decoder_identity

# What decides pixels and rows: a cluster where these differ would mix two extractions in one cache.
DECIDING_PACKAGES = (
    "biomass-pipeline", "numpy", "pyvips", "rasterio", "timm", "torch",
)  # fmt: skip
DECODER = "the decoder of photos"
# How often a task may be begun: its process may die under it for reasons that are not its own.
ATTEMPTS = 2
# How often a worker may be begun, and how many processes may die with no task done between.
BUILDS = 3
DEATHS = 10
# Larger blocks are sent in pieces, which bounds what waits in Ray's object store.
PIECE_BYTES = 2**20

_MEMORY = "most often there is too little memory for as many workers"
_TASK = pa.schema([("task", pa.int64()), ("photo", pa.int64()), ("work", pa.large_binary())])
_ROWS = pa.schema(
    [
        ("photo", pa.int64()),
        ("tiles", pa.large_binary()),
        ("features", pa.large_binary()),
        ("width", pa.int64()),
        ("reason", pa.large_string()),
    ]
)


def deciding_versions() -> dict[str, str]:
    """The installed versions of the packages that decide a feature; empty where one is missing.

    OpenCV comes in packages of several names: whoever decodes tells its own.
    """
    return {name: _version(name) for name in DECIDING_PACKAGES} | {DECODER: decoder_identity()}


def sentence(error: Exception) -> str:
    """An error as the part of a sentence; our own are sentences already."""
    text = str(error) if isinstance(error, BiomassError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0].rstrip(".: ")


def pack_task(task: int, photos: Sequence[tuple[int, Photo, NDArray[np.int64]]]) -> pa.Table:
    """A task's photos as a table of one row a photo.

    Args:
        task: Its number.
        photos: Each photo's position, the photo, and the positions of its tiles to embed.
    """
    positions = [position for position, _, _ in photos]
    work = [pickle.dumps((photo, tiles)) for _, photo, tiles in photos]
    return pa.table({"task": [task] * len(photos), "photo": positions, "work": work}, schema=_TASK)


def pack_block(block: Block) -> Iterator[pa.Table]:
    """Yield a block as tables of one row, each with as many whole tiles as fit a piece."""
    if block.reason:
        yield _row(block)
        return
    per_tile = len(block.features) // max(len(block.tiles), 1)
    step = max(PIECE_BYTES // max(block.features.nbytes // max(len(block.tiles), 1), 1), 1)
    for start in range(0, len(block.tiles), step):
        stop = start + step
        rows = block.features[start * per_tile : stop * per_tile]
        yield _row(Block(block.photo, block.tiles[start:stop], rows))


def unpack_blocks(table: pa.Table) -> Iterator[Block]:
    """Yield what `pack_block` packed, in memory of its own: Ray's may be reused or unmapped."""
    for row in table.to_pylist():
        features = np.frombuffer(row["features"], np.float32)
        yield Block(
            photo=row["photo"],
            tiles=np.frombuffer(row["tiles"], np.int64),
            features=features.reshape(-1, row["width"]) if row["width"] else features[None][:0],
            reason=row["reason"],
        )


@dataclass(frozen=True)
class Verdict:
    """What the ledger knows when the work ends.

    Attributes:
        trouble: Why the whole work was given up; empty if it was not.
        host: Where that was.
    """

    trouble: str = ""
    host: str = ""


class Ledger:
    """Remembers which tasks were begun, so that one which kills its process is not tried for ever.

    It lives in a process of its own. Ray itself would begin such a task again without end.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_building = 0
        self._builds_allowed = n_workers * BUILDS
        self._begun: Counter[int] = Counter()
        self._deaths_left = self._deaths_allowed = max(DEATHS, 2 * n_workers)
        self._verdict = Verdict()
        self._precisions: set[str] = set()

    def enter(self) -> bool:
        """Whether a worker may build its backbone; many that never joined died of it."""
        self._n_building += 1
        if self._n_building > self._builds_allowed:
            self.give_up(f"its process dies while it builds the backbone: {_MEMORY}", "")
        return not self._verdict.trouble

    def join(self, precision: str, host: str) -> None:
        """A worker is ready; all must compute alike, or one cache would hold two extractions."""
        self._n_building -= 1
        self._precisions.add(precision)
        if len(self._precisions) > 1:
            found = " and ".join(sorted(self._precisions))
            self.give_up(f"workers compute in {found}: set `backbone.precision` to one", host)

    def begin(self, task: int) -> bool:
        """Whether a task may be worked on now."""
        self._begun[task] += 1
        if self._begun[task] > 1:
            self._deaths_left -= 1
        if self._deaths_left < 0:
            self.give_up(f"its process dies again and again: {_MEMORY}", "")
        return not self._verdict.trouble and self._begun[task] <= ATTEMPTS

    def finish(self) -> None:
        """A task was finished: the workers are alive after all."""
        self._deaths_left = self._deaths_allowed

    def give_up(self, trouble: str, host: str) -> None:
        """Let nothing more be begun; the first reason stands."""
        if not self._verdict.trouble:
            self._verdict = Verdict(trouble, host)

    def verdict(self) -> Verdict:
        """How the work ended."""
        return self._verdict


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: all of it survives a journey to another machine."""

    reading: Reading
    build: Callable[[], Sequence[Backbone]]
    versions: dict[str, str]


class Worker:
    """Holds the backbone and embeds one task after another."""

    def __init__(self, job: Job, ledger: Any) -> None:  # noqa: ANN401  # a Ray handle has no type
        self._reading = job.reading
        self._ledger = ledger
        self._backbones: Sequence[Backbone] = ()
        if not self._ask("enter"):
            return
        try:
            _require_versions(job.versions)
            self._backbones = job.build()
            self._ask("join", self._backbones[0].precision, platform.node())
        except Exception as error:  # noqa: BLE001  # each backbone has errors of its own
            self._give_up(f"it cannot build the backbone: {sentence(error)}")

    def __call__(self, task: pa.Table) -> Iterator[pa.Table]:
        """Yield the rows of one task's photos as they come."""
        if not self._ask("begin", task["task"][0].as_py()):
            return
        work = {
            position.as_py(): pickle.loads(data.as_py())  # noqa: S301  # our own driver wrote it
            for position, data in zip(task["photo"], task["work"], strict=True)
        }
        try:
            for block in self._embed(work):
                yield from pack_block(block)
        except Exception as error:  # noqa: BLE001  # a fault of the set-up: no photo is to blame
            self._give_up(f"it cannot embed: {sentence(error)}")
        else:
            self._ask("finish")

    def _embed(self, work: dict[int, tuple[Photo, NDArray[np.int64]]]) -> Iterator[Block]:
        positions = list(work)
        photos = [photo for photo, _ in work.values()]
        wanted = {here: tiles for here, (_, tiles) in enumerate(work.values())}
        blocks = embed_photos(photos, wanted, reading=self._reading, backbones=self._backbones)
        for block in blocks:
            yield Block(positions[block.photo], block.tiles, block.features, block.reason)

    def _give_up(self, trouble: str) -> None:
        self._ask("give_up", trouble, platform.node())

    def _ask(self, what: str, *said: object) -> Any:  # noqa: ANN401  # whatever the ledger answers
        import ray  # noqa: PLC0415  # paid only when chosen

        return ray.get(getattr(self._ledger, what).remote(*said))


def _row(block: Block) -> pa.Table:
    row = {
        "photo": [block.photo],
        "tiles": [np.ascontiguousarray(block.tiles, np.int64).tobytes()],
        "features": [np.ascontiguousarray(block.features, np.float32).tobytes()],
        "width": [block.features.shape[1]],
        "reason": [block.reason],
    }
    return pa.table(row, schema=_ROWS)


def _require_versions(expected: dict[str, str]) -> None:
    """Raise if this machine's packages are not the driver's."""
    found = deciding_versions()
    wrong = [
        f"{name} is {found[name] or 'missing'}, not {expected[name]}"
        for name in expected
        if found[name] != expected[name]
    ]
    if wrong:
        msg = (
            f"its packages are not those of the machine that writes the cache ({', '.join(wrong)})"
        )
        raise BiomassError(msg)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
