"""One process of a crew, seen from outside: it is never trusted to answer, or to end."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, Final

from biomass_pipeline.errors import DecoderStartError, LostDecoderError, UnreadableImageError
from biomass_pipeline.isolation.answer import NONSENSE, Answer
from biomass_pipeline.isolation.child import name_of
from biomass_pipeline.isolation.memory import descriptor_of, mapped, unnamed
from biomass_pipeline.isolation.messages import (
    Kind,
    Message,
    NonsenseError,
    SilenceError,
    receive,
    send,
)
from biomass_pipeline.plain import in_short

Job = Callable[..., Iterator[Answer]]

# A clean interpreter that finds the same packages: no module of the caller runs again.
_START: Final = (
    "import sys; channel, lifeline, prepare, *sys.path = sys.argv[1:]; "
    "from biomass_pipeline.isolation.child import main; main(int(channel), int(lifeline), prepare)"
)
# For a cold disk, or a machine with much to do.
_START_S: Final = 120.0
# How long a process may take to end once it has hung up.
_END_S: Final = 2.0
_MOST_REASON: Final = 500
_COMPLAINTS_BYTES: Final = 65_536


class Worker:
    """A process that decodes.

    Args:
        prepare: Called in it first.
        limit_s: How long it may be silent over a photo.

    Raises:
        DecoderStartError: It does not start.
    """

    def __init__(self, prepare: Callable[[], None], *, limit_s: float) -> None:
        self._limit_s = limit_s
        self._channel, theirs = socket.socketpair()
        lifeline, ours = os.pipe()
        self._lifeline = os.fdopen(ours, "wb")
        self._complaints = os.fdopen(unnamed(_COMPLAINTS_BYTES), "rb")
        inherited = (theirs.fileno(), lifeline)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and code
                [sys.executable, "-c", _START, *map(str, inherited), name_of(prepare), *sys.path],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                # Ctrl-C is for us: what becomes of our processes is then ours to say.
                process_group=0,
            )
        except OSError as error:
            self._let_go()
            raise DecoderStartError(in_short(error)) from error
        finally:
            theirs.close()
            os.close(lifeline)
        self._await_start()

    def work(
        self, job: Job, stream: BinaryIO, *, most_bytes: int, arguments: Mapping[str, Any]
    ) -> Generator[Answer]:
        """Yield a job's answers; for what it takes and raises see `Crew.run`."""
        text = json.dumps({"job": name_of(job), "arguments": arguments})
        photo = descriptor_of(stream)
        order, given = Message(Kind.BEGIN, text), [photo]
        try:
            while True:
                memory = unnamed(most_bytes)
                try:
                    said = self._said(replace(order, descriptors=[*given, memory]), most_bytes)
                    if said is None:
                        return
                    answer = Answer(said.facts(), mapped(memory, said.n_bytes))
                finally:
                    os.close(memory)
                yield answer
                del answer  # else its pixels would be held while the next ones are made
                order, given = Message(Kind.NEXT), []
        finally:
            os.close(photo)

    def end(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def _await_start(self) -> None:
        try:
            receive(self._channel, limit_s=_START_S)
        except (EOFError, SilenceError, NonsenseError):
            reason = self._complaint() or self._fate()
            self.end()
            raise DecoderStartError(reason) from None

    def _let_go(self) -> None:
        for each in (self._channel, self._lifeline, self._complaints):
            each.close()

    def _said(self, order: Message, most_bytes: int) -> Message | None:
        """The answer to an order; None if there is no more of it."""
        try:
            send(self._channel, order)
            said = receive(self._channel, limit_s=self._limit_s)
            while said.kind is Kind.ALIVE:
                said = receive(self._channel, limit_s=self._limit_s)
            return _judged(said, most_bytes)
        except SilenceError:
            reason = f"the decoder took longer than {self._limit_s:g} s"
        except NonsenseError:
            reason = NONSENSE
        except (EOFError, OSError):
            reason = self._fate()
        raise LostDecoderError(reason=reason)

    def _fate(self) -> str:
        """What became of a process that has hung up."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "the decoder ended without an answer"
        if code < 0:
            return f"the decoder crashed (signal {-code})"
        return f"the decoder ended without an answer (exit code {code})"

    def _complaint(self) -> str:
        """The last line that it wrote to its standard error, such as that of a traceback."""
        self._complaints.seek(0)
        said = self._complaints.read().rstrip(b"\0").decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), "")


def _judged(said: Message, most_bytes: int) -> Message | None:
    """An answer as it is, None at the end.

    Raises:
        UnreadableImageError: The photo is refused.
        NonsenseError: It is neither.
    """
    if said.kind is Kind.END:
        return None
    if said.kind is Kind.REFUSED:
        raise UnreadableImageError(reason=_words(said.text))
    if said.kind is Kind.FAILED:
        raise UnreadableImageError(reason=f"unreadable: {_words(said.text)}")
    if said.kind is not Kind.ANSWER or said.n_bytes > most_bytes:
        raise NonsenseError
    said.facts()
    return said


def _words(text: str) -> str:
    """A reason as it may be written down: one line, of letters that there are."""
    return " ".join(text[:_MOST_REASON].encode(errors="replace").decode().split())
