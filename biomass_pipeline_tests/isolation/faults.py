"""Decoders and jobs that go wrong; processes under test import this module by its name."""

import ctypes
import os
import resource
import sys
import time
from pathlib import Path

import cv2  # noqa: F401  # what decodes is there before a limit counts
import numpy as np

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import apart  # noqa: F401  # as above
from biomass_pipeline.isolation import Answer
from biomass_pipeline.isolation.messages import _HEADER, Kind
from biomass_pipeline.manifest import photograph


def aborts():
    os.abort()


def segfaults():
    ctypes.string_at(0)


def hangs():
    """As a loop in C does that keeps the interpreter from doing anything else."""
    ctypes.PyDLL(None).sleep(1000)


def quits():
    os._exit(0)


FAULTS = {each.__name__: each for each in (aborts, segfaults, hangs, quits)}
MARK_BYTES = 16


def marked(data, fault):
    """The photo with what a camera may append: here the name of what it does to a decoder."""
    return data + fault.__name__.encode().rjust(MARK_BYTES)


def treacherous():
    """Let a decoder do what the photo says at its end."""
    honest = photograph.recognise

    def recognise(stream):
        stream.seek(0)
        tail = stream.read()[-MARK_BYTES:].strip()
        fault = FAULTS.get(tail.decode(errors="replace"))
        return fault() if fault else honest(stream)

    photograph.recognise = recognise


def unprepared():
    msg = "no such decoder"
    raise RuntimeError(msg)


def echo(stream, alive, *, times=1, **facts):
    """Answer with the photo's bytes, and the number of the process."""
    data = np.frombuffer(stream.read(), np.uint8)
    for _ in range(times):
        yield Answer({"pid": os.getpid(), **facts}, data)


def fail(stream, alive, *, how):
    if how == "refused":
        raise UnreadableImageError(reason="not to my taste")
    if how == "memory":
        raise MemoryError
    if how == "disk":
        raise OSError(5, "Input/output error")
    if how in FAULTS:
        FAULTS[how]()
    if how == "wrong":
        msg = "not\nseen"
        raise ValueError(msg)
    yield Answer({})


def toil(stream, alive, *, steps, step_s):
    """Work for long, and say so."""
    for _ in range(steps):
        time.sleep(step_s)
        alive()
    yield Answer({})


def lie(stream, alive, *, how):
    """Write to the other side what no job can say, as who has taken the process over may."""
    said = {
        "no message": b"\xff" * 32,
        "too many bytes": _HEADER.pack(Kind.ANSWER, 2, 2**40) + b"{}",
        "too long a text": _HEADER.pack(Kind.ANSWER, 2**32 - 1, 0),
        "no facts": _HEADER.pack(Kind.ANSWER, 2, 0) + b"[]",
        "no text": _HEADER.pack(Kind.ANSWER, 4, 0) + b"\xff\xfe\xfd\xfc",
        "a nest": _HEADER.pack(Kind.ANSWER, 100_000, 0) + b"[" * 100_000,
        "an order": _HEADER.pack(Kind.BEGIN, 2, 0) + b"{}",
    }
    os.write(int(sys.argv[1]), said[how])
    time.sleep(1000)
    yield


def census(stream, alive):
    """What the process is."""
    yield Answer(
        {
            "modules": sorted(name for name in sys.modules if "." not in name),
            "core_bytes": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "oom_score": int(Path("/proc/self/oom_score_adj").read_text()),
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        }
    )
