"""A crew of processes that decode: started when they are needed, replaced when they are lost."""

from collections.abc import Callable, Generator
from threading import Lock
from typing import Any, BinaryIO, Self

from biomass_pipeline.errors import LostDecoderError, UnreadableImageError
from biomass_pipeline.isolation.answer import Answer
from biomass_pipeline.isolation.worker import Job, Worker


class Crew:
    """Processes that each work on one photo at a time; as many as photos are worked on at once.

    Used as a context: at its end every process is ended, also in the midst of a photo, so that
    threads which wait for one wait no longer. It may be used by several threads.

    Args:
        limit_s: How long a process may be silent over a photo before it is ended.
        prepare: Called first in every process.
    """

    def __init__(self, *, limit_s: float, prepare: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._prepare = prepare
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
            self._idle.clear()
        for worker in workers:
            worker.end()

    def ask(self, job: Job, stream: BinaryIO, *, most_bytes: int = 0, **arguments: Any) -> Answer:  # noqa: ANN401  # whatever JSON can say
        """The one answer of a job; tried once more in a fresh process if the first one was lost.

        Raises:
            LostDecoderError: As `run`, and the second one was lost as well.
            UnreadableImageError: As `run`.
        """
        try:
            (answer,) = self.run(job, stream, most_bytes=most_bytes, **arguments)
        except LostDecoderError:
            (answer,) = self.run(job, stream, most_bytes=most_bytes, fresh=True, **arguments)
        return answer

    def run(
        self,
        job: Job,
        stream: BinaryIO,
        *,
        most_bytes: int = 0,
        fresh: bool = False,
        **arguments: Any,  # noqa: ANN401  # as above
    ) -> Generator[Answer]:
        """Yield a job's answers as they are asked for.

        Args:
            job: A function of a module, called in the process with the stream, with a function that
                says that it is alive, and with the arguments.
            stream: The photo, given as an open file.
            most_bytes: The most pixels of one answer, in bytes.
            fresh: Let it be done by a process that has done nothing before.
            arguments: Whatever JSON can say.

        Raises:
            LostDecoderError: The process crashed, was silent for too long or spoke nonsense.
            UnreadableImageError: The job refused the photo, or failed in any other way.
            DecoderStartError: No process can be started here.
        """
        worker = self._take(fresh=fresh)
        try:
            yield from worker.work(job, stream, most_bytes=most_bytes, arguments=arguments)
        except LostDecoderError:
            self._drop(worker)
            raise
        except UnreadableImageError:
            self._give_back(worker)
            raise
        except BaseException:
            # Whoever gives up in the midst of a photo leaves a process that would go on with it.
            self._drop(worker)
            raise
        else:
            self._give_back(worker)

    def _take(self, *, fresh: bool) -> Worker:
        with self._lock:
            if self._idle and not fresh and not self._closed:
                return self._idle.pop()
        worker = Worker(self._prepare, limit_s=self._limit_s)
        with self._lock:
            closed = self._closed
            if not closed:
                self._all.add(worker)
        if closed:
            worker.end()
            raise LostDecoderError(reason="nobody decodes any more")
        return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)

    def _drop(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()
