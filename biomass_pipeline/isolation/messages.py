"""What passes between a crew and its processes: a header of fixed size, a text, descriptors.

Read from a process that a hostile photo may have taken over: sizes are bounded, nothing is run.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

# Kind, length of the text, bytes in the shared memory.
_HEADER: Final = struct.Struct("!BIQ")
MOST_TEXT_BYTES: Final = 64 * 2**20
_MOST_DESCRIPTORS: Final = 2


class Kind(IntEnum):
    """What a message is."""

    BEGIN = 1  # to a process: this job, on this photo, into this memory
    NEXT = 2  # go on, into this memory
    READY = 3  # from a process: it has started
    ALIVE = 4  # it works on
    ANSWER = 5  # a piece of the result
    END = 6  # there is no more
    REFUSED = 7  # the photo cannot be read, for this reason
    FAILED = 8  # something else went wrong


class SilenceError(Exception):
    """Nothing was said for too long."""


class NonsenseError(Exception):
    """What was said is no message."""


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        text: JSON or words, by its kind.
        n_bytes: How many bytes of the shared memory belong to it.
        descriptors: Open here, to be closed by whoever receives it.
    """

    kind: Kind
    text: str = ""
    n_bytes: int = 0
    descriptors: Sequence[int] = ()

    def facts(self) -> dict[str, Any]:
        """The text as a JSON object.

        Raises:
            NonsenseError: It is none.
        """
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise NonsenseError from error
        if not isinstance(found, dict):
            raise NonsenseError
        return found


def send(channel: socket.socket, message: Message) -> None:
    """Send one message.

    Raises:
        OSError: Nobody listens.
    """
    text = message.text.encode(errors="surrogatepass")
    header = _HEADER.pack(message.kind, len(text), message.n_bytes)
    if message.descriptors:
        socket.send_fds(channel, [header], list(message.descriptors))
    else:
        channel.sendall(header)
    channel.sendall(text)


def receive(channel: socket.socket, *, limit_s: float | None = None) -> Message:
    """Wait for one message.

    Args:
        channel: Where it comes from.
        limit_s: How long to wait for the whole of it; None: for ever.

    Raises:
        EOFError: Nobody is there any more.
        SilenceError: It took too long.
        NonsenseError: It is no message.
    """
    left = _countdown(limit_s)
    try:
        channel.settimeout(left())
        head, descriptors, _, _ = socket.recv_fds(channel, _HEADER.size, _MOST_DESCRIPTORS)
        head += _rest(channel, _HEADER.size - len(head), left, begun=bool(head))
        kind, n_text, n_bytes = _HEADER.unpack(head)
        if n_text > MOST_TEXT_BYTES:
            raise NonsenseError
        text = _rest(channel, n_text, left)
        return Message(Kind(kind), text.decode(errors="surrogatepass"), n_bytes, descriptors)
    except TimeoutError:
        raise SilenceError from None
    except OSError:
        raise EOFError from None
    except ValueError as error:
        raise NonsenseError from error


def _countdown(limit_s: float | None) -> Callable[[], float | None]:
    if limit_s is None:
        return lambda: None
    end = time.monotonic() + limit_s
    # Zero would mean not to wait at all, and be another error.
    return lambda: max(end - time.monotonic(), 1e-6)


def _rest(
    channel: socket.socket,
    n_bytes: int,
    left: Callable[[], float | None],
    *,
    begun: bool = True,
) -> bytes:
    if not begun:
        raise EOFError
    pieces = []
    while n_bytes:
        channel.settimeout(left())
        piece = channel.recv(min(n_bytes, 2**20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)
