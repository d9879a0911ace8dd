"""Work done before its result is asked for: by worker processes in turn, or by one thread beside the caller."""

import queue
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset

from steelyard.base.errors import SteelyardError
from steelyard.datasets.images import require_cv2

J = TypeVar("J")
R = TypeVar("R")

_LOST = (
    "workers: a process that reads images has ended before its time (killed, perhaps for want of memory); "
    "take fewer workers, or 0 to see its error"
)


class _End:
    pass


_END = _End()


class Processes(Generic[J, R]):
    """Worker processes that do jobs in their order and stay for the next series of jobs."""

    def __init__(self, work: Callable[[J], R], workers: int) -> None:
        """No process starts before the first jobs come.

        Args:
            work: done in the processes; its results travel by shared memory where they are tensors.
            workers: processes, 1 or more.
        """
        self._jobs: list[J] = []
        self._end: weakref.finalize[..., Processes[J, R]] | None = None
        with _as_many_as_asked():
            self._loader: DataLoader[R] | None = DataLoader(
                _Work(work),
                batch_size=None,
                sampler=cast("Iterable[Any]", self._jobs),
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=_start_worker,
                persistent_workers=True,
                # The loader seeds its workers from this: the global stream, which training draws from, stays untouched.
                generator=torch.Generator(),
            )

    def run(self, jobs: Sequence[J]) -> Iterator[R]:
        """The results, in the order of the jobs; the processes set to work now, in the calling thread.

        Raises:
            SteelyardError: as the work raised it, or a process ended before its time.
        """
        if self._loader is None or not jobs:
            return iter(())
        self._jobs[:] = jobs
        with _as_many_as_asked():
            results = iter(self._loader)
        if self._end is None:
            # The loader ends its processes with its last reference: late where a traceback holds one, and not before a
            # timeout where a cycle is collected. It has no public way to do so in time.
            self._end = weakref.finalize(self, getattr(results, "_shutdown_workers", _nothing))
        return _opened(results)

    def close(self) -> None:
        """End the processes; results that nobody has taken are lost."""
        self._loader = None
        if self._end is not None:
            self._end()


@contextmanager
def _as_many_as_asked() -> Iterator[None]:
    """No warning of more processes than cores: their number is the caller's, and one decodes while one waits."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


class _Work(Dataset[R], Generic[J, R]):
    def __init__(self, work: Callable[[J], R]) -> None:
        self._work = work

    def __getitem__(self, job: J) -> R:
        try:
            return self._work(job)
        except SteelyardError as error:
            # Raised here, the loader would wrap its one line in a traceback.
            return cast("R", error)


def _opened(results: Iterator[R]) -> Iterator[R]:
    while True:
        try:
            result = next(results, _END)
        except (ConnectionError, EOFError) as error:
            if str(error).startswith("Caught "):  # the work's own, passed on by the loader
                raise
            raise SteelyardError(_LOST) from error
        if isinstance(result, SteelyardError):
            raise result
        if isinstance(result, _End):
            return
        yield result


def _as_it_is(result: R) -> R:
    return result


def _nothing() -> None:
    pass


def _start_worker(_: int) -> None:
    # A forked process has OpenCV's pool of threads without the threads, and would wait for them for ever.
    require_cv2().setNumThreads(0)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(source: Iterator[R], depth: int) -> Generator[R, None, None]:
    """What `source` yields, made by a thread that stays at most `depth` items ahead.

    What the source raises is raised here. The thread has ended when this generator has ended or is closed.
    """
    ready: queue.SimpleQueue[R | _End | _Raised] = queue.SimpleQueue()
    room, stopped = threading.Semaphore(depth), threading.Event()

    def work() -> None:
        try:
            while True:
                room.acquire()
                if stopped.is_set():
                    return
                item = next(source, _END)
                ready.put(item)
                if item is _END:
                    return
        except BaseException as error:
            ready.put(_Raised(error))

    thread = threading.Thread(target=work, name="steelyard-batches", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            if isinstance(item, _Raised):
                raise item.error
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
        thread.join()


def loss_of_worker(error: RuntimeError) -> SteelyardError | None:
    """What to tell of a worker process that is gone; None for any other error."""
    said = str(error)
    if "DataLoader worker" not in said or not ("exited unexpectedly" in said or "killed by signal" in said):
        return None
    return SteelyardError(_LOST)
