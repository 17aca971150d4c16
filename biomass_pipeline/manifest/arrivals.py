"""What changed among the photos, and when it has settled enough to be looked at.

Listing only: no photo is opened, so that a folder of many thousands is looked at within seconds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from biomass_pipeline.manifest.folder import ImageFile
from biomass_pipeline.plain import counted


@dataclass(frozen=True)
class Sight:
    """What is there at one moment, in three digests.

    Attributes:
        photos: Of paths and stamps; photos still being written are left out.
        labels: Of the label file.
        training: Of the training section.
    """

    photos: str
    labels: str = ""
    training: str = ""

    @property
    def digest(self) -> str:
        """All of it in 16 hexadecimal digits."""
        return _digest((self.photos, self.labels, self.training))


@dataclass(frozen=True)
class Watch:
    """What a watcher remembers from one look to the next.

    Attributes:
        last: The last look.
        since_s: When it first differed from what was acted on; None if it does not.
        acted: The look that was last acted on.
        counter: How often one was, so that going back to an earlier state counts as well.
    """

    last: Sight | None = None
    since_s: float | None = None
    acted: Sight | None = None
    counter: int = 0

    def after(self, look: Sight, *, now_s: float, patience_s: float) -> tuple[Self, bool]:
        """Take one more look, and say whether to act on it.

        It is acted on when it differs from what was acted on before, and either the last look saw
        the same or something has been changing for too long. A thousand photos that arrive within
        minutes are so acted on once.

        Args:
            look: What is there now.
            now_s: The time of it.
            patience_s: The longest wait for two equal looks.

        Returns:
            What to remember, and whether to act.
        """
        made = type(self)
        if look == self.acted:
            return made(look, None, self.acted, self.counter), False
        # A clock that was set back must not make the wait longer.
        since_s = now_s if self.since_s is None else min(self.since_s, now_s)
        if look == self.last or now_s - since_s >= patience_s:
            return made(look, None, look, self.counter + 1), True
        return made(look, since_s, self.acted, self.counter), False

    def blind(self) -> Self:
        """After a look that saw nothing, such as at a folder that is gone.

        What was acted on may have failed of the same reason: when the folder is back, it is acted
        on once more.
        """
        return type(self)(counter=self.counter)

    @property
    def run_key(self) -> str:
        """Names what was acted on, once for ever."""
        return "" if self.acted is None else f"{self.acted.digest}-{self.counter}"

    def to_json(self) -> str:
        """As text, for a cursor."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Read it again; what cannot be read is a watcher that saw nothing yet."""
        try:
            known = json.loads(text or "{}")
            last, acted = known.get("last"), known.get("acted")
            return cls(
                last=Sight(**last) if last else None,
                since_s=known.get("since_s"),
                acted=Sight(**acted) if acted else None,
                counter=int(known.get("counter", 0)),
            )
        except (AttributeError, TypeError, ValueError):
            return cls()


@dataclass(frozen=True)
class Difference:
    """How many photos are others than those remembered."""

    arrived: int = 0
    changed: int = 0
    gone: int = 0

    def phrases(self) -> tuple[str, ...]:
        """What happened, for a person.

        >>> Difference(arrived=3, gone=1).phrases()
        ('3 photos arrived', '1 photo is gone')
        """
        told = (
            (self.arrived, "arrived", "arrived"),
            (self.changed, "changed", "changed"),
            (self.gone, "is gone", "are gone"),
        )
        return tuple(
            f"{counted(count, 'photo')} {one if count == 1 else many}"
            for count, one, many in told
            if count
        )


def listing_digest(files: Iterable[ImageFile]) -> str:
    """Hash paths, sizes and stamps of the photos that are written whole.

    Args:
        files: In path order.

    Returns:
        16 hexadecimal digits.
    """
    whole = (file for file in files if not file.writing)
    return _digest(f"{file.path}\0{file.n_bytes}\0{file.stamp}" for file in whole)


def difference(files: Iterable[ImageFile], stamps: Mapping[str, str]) -> Difference:
    """Compare a listing with what is remembered of an earlier one.

    Args:
        files: What is there; a photo still being written neither arrived nor changed nor is gone.
        stamps: By path, of the photos that were there.
    """
    arrived = changed = 0
    gone = set(stamps)
    for file in files:
        gone.discard(file.path)
        if file.writing:
            continue
        if file.path not in stamps:
            arrived += 1
        elif stamps[file.path] != file.stamp:
            changed += 1
    return Difference(arrived, changed, len(gone))


def _digest(parts: Iterable[str]) -> str:
    text = "\n".join(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
