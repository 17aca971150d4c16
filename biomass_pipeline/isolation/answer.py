"""What a job gives: some facts and the bytes of an array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import LostDecoderError

NONSENSE: Final = "the decoder gave no sensible answer"


def _no_bytes() -> NDArray[np.uint8]:
    return np.empty(0, np.uint8)


def _writable(text: str) -> bool:
    return text.encode(errors="ignore").decode() == text


@dataclass(frozen=True)
class Answer:
    """A piece of a job's result; where it arrives nothing of it is believed before it is checked.

    Attributes:
        facts: Whatever JSON can say.
        pixels: An array of bytes of any shape; where it arrives it is flat, shape (byte,).
    """

    facts: Mapping[str, Any]
    pixels: NDArray[np.uint8] = field(default_factory=_no_bytes)

    def fact(self, name: str, kind: type[Any]) -> Any:  # noqa: ANN401  # of that type
        """One fact.

        Raises:
            LostDecoderError: There is none of this name and type.
        """
        found = self.facts.get(name)
        # Half a surrogate is text in JSON, and in no table.
        if type(found) is not kind or (isinstance(found, str) and not _writable(found)):
            raise LostDecoderError(reason=NONSENSE)
        return found

    def numbers(self, name: str, *, below: int) -> list[int]:
        """A list of whole numbers.

        Raises:
            LostDecoderError: It is none, or they are not from zero to below a limit.
        """
        found: list[int] = self.fact(name, list)
        if not all(type(each) is int and 0 <= each < below for each in found):
            raise LostDecoderError(reason=NONSENSE)
        return found

    def size_px(self, *, most_px: int) -> tuple[int, int]:
        """The fact `size_px`: a photo's (height, width).

        Raises:
            LostDecoderError: It is none, or the photo is larger than it may be.
        """
        size = self.numbers("size_px", below=most_px + 1)
        if len(size) != len(("height", "width")) or not 0 < prod(size) <= most_px:
            raise LostDecoderError(reason=NONSENSE)
        return size[0], size[1]

    def shaped(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        """The pixels in a shape.

        Raises:
            LostDecoderError: They are more or fewer.
        """
        if prod(shape) != self.pixels.size:
            raise LostDecoderError(reason=NONSENSE)
        return self.pixels.reshape(shape)
