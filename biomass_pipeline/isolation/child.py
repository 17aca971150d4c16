"""The inside of a process of a crew: it works on one photo after another until nobody asks."""

import contextlib
import fcntl
import importlib
import json
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.isolation.answer import Answer
from biomass_pipeline.isolation.memory import mapped
from biomass_pipeline.isolation.messages import Kind, Message, receive, send
from biomass_pipeline.plain import in_short


def main(channel: int, lifeline: int, prepare: str) -> None:
    """Work until the other side is gone.

    Args:
        channel: Descriptor of the socket that orders come from.
        lifeline: Descriptor of a pipe that is closed when the other side ends, however it ends.
        prepare: The name of what is called first.
    """
    _end_with(lifeline)
    _cost_little()
    named(prepare)()
    with socket.socket(fileno=channel) as orders, contextlib.suppress(EOFError, OSError):
        send(orders, Message(Kind.READY))
        while True:
            _serve(receive(orders), orders)


def name_of(function: Callable[..., object]) -> str:
    """The name by which another process finds a function of a module."""
    return f"{function.__module__}:{function.__qualname__}"


def named(name: str) -> Callable[..., Any]:
    """The function of this name; whoever started this process names only its own."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _end_with(lifeline: int) -> None:
    """Be ended by the system when the pipe is closed, even in the midst of a decoder's loop."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        raise SystemExit


def _cost_little() -> None:
    """Leave no core file, and be the first that the system ends when memory runs out."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  # not everywhere

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _serve(order: Message, orders: socket.socket) -> None:
    """Do one job on one photo, answer by answer."""
    asked, (photo, memory) = order.facts(), order.descriptors
    try:
        # Opened anew: libraries that take no streams find the file under this name.
        with open(f"/dev/fd/{photo}", "rb") as stream:  # noqa: PTH123  # no path of a file
            alive = partial(send, orders, Message(Kind.ALIVE))
            answers = named(asked["job"])(stream, alive, **asked["arguments"])
            _deliver(answers, orders, memory)
    except UnreadableImageError as error:
        send(orders, Message(Kind.REFUSED, error.reason))
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001  # decoders raise anything on damaged files
        send(orders, Message(Kind.FAILED, in_short(error)))
    finally:
        os.close(photo)


def _deliver(answers: Iterator[Answer], orders: socket.socket, memory: int) -> None:
    """Send each answer when the last one has been taken."""
    try:
        for answer in answers:
            n_bytes = answer.pixels.size
            if n_bytes:
                np.copyto(mapped(memory, n_bytes).reshape(answer.pixels.shape), answer.pixels)
            send(orders, Message(Kind.ANSWER, json.dumps(dict(answer.facts)), n_bytes))
            del answer  # else its pixels would be held while nobody asks
            (following,) = receive(orders).descriptors
            os.close(memory)
            memory = following
    finally:
        os.close(memory)
    send(orders, Message(Kind.END))
