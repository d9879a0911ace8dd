"""Work of the demo side by side: processes, what waits for what, and how far each has come."""

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_S = 2.0
"""Seconds between two looks at how far the work has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to do.

    Attributes:
        name: of it, unique.
        call: does it, in another process.
        arguments: of the call.
        after: names of what must be done before.
        run: folder of the run whose log tells how far it is, or None.
        epochs: of that run; None where there is none.
        steps: files that appear, one by one, as its steps are done, where it has steps and no run.
    """

    name: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    after: tuple[str, ...] = ()
    run: Path | None = None
    epochs: int | None = None
    steps: tuple[Path, ...] = ()


class Watch:
    """Told of each piece of work when it begins, now and then, and when it is done."""

    def expect(self, works: int) -> None:
        """So many pieces of work there are."""

    def begun(self, work: Work) -> None:
        """It begins."""

    def far(self, work: Work, last: Mapping[str, Any]) -> None:
        """The last line of its run's log; for work in steps, the step (`stage`) and how many are done (`done`)."""

    def done(self, work: Work, result: Any) -> None:
        """It is done."""


def lanes() -> int:
    """How many pieces of work run at once: one for each core, four at most."""
    return min(4, _cores())


def do_all(works: Sequence[Work], *, workers: int, watch: Watch) -> dict[str, Any]:
    """Do everything, in the order given as far as processes are free and what must come before is done.

    Args:
        works: what to do; each comes after what it waits for.
        workers: processes.
        watch: told of everything.

    Returns:
        Name → what the call returned.

    Raises:
        Exception: the first that a call raised; nothing more is begun then.
    """
    watch.expect(len(works))
    results: dict[str, Any] = {}
    waiting, running = list(works), dict[Future[Any], Work]()
    threads = max(1, _cores() // workers)
    with _threads(threads), _pool(workers, threads) as pool:
        while waiting or running:
            for work in _free(waiting, results, workers - len(running)):
                waiting.remove(work)
                watch.begun(work)
                running[pool.submit(work.call, *work.arguments)] = work
            ended, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            for future in ended:
                work = running.pop(future)
                results[work.name] = future.result()
                watch.done(work, results[work.name])
            for work in running.values():
                if (last := how_far(work)) is not None:
                    watch.far(work, last)
    return results


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free(waiting: Sequence[Work], results: Mapping[str, Any], places: int) -> list[Work]:
    """What may begin now."""
    return [work for work in waiting if all(name in results for name in work.after)][:places]


@contextmanager
def _pool(workers: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    # Not forked: a copy of a process whose libraries have started threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(threads, os.getpid()))
    try:
        yield pool
    except BaseException:
        processes = list((pool._processes or {}).values())  # the work of minutes would go on otherwise
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def _start_worker(threads: int, parent: int) -> None:
    """Compute with so many threads, and end with the process that started this one, however that one ended."""
    import torch

    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let libraries of new processes start so many threads each; they look when they are imported."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def how_far(work: Work) -> Mapping[str, Any] | None:
    """The last line of its run's log, or how many of its steps are done and which comes next."""
    if not work.steps:
        return _last_line(work.run)
    done = sum(path.exists() for path in work.steps)
    return {"stage": work.steps[min(done, len(work.steps) - 1)].parent.name, "done": done}


def _last_line(run: Path | None) -> Mapping[str, Any] | None:
    """The last whole line of a run's log."""
    if run is None or not (path := run / "metrics.jsonl").exists():
        return None
    lines = path.read_bytes().split(b"\n")[:-1]
    if not lines:
        return None
    found: Mapping[str, Any] = json.loads(lines[-1])
    return found
