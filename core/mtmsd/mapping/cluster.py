"""Mapping by several processes: Dask workers of this machine, or those of a scheduler.

Blocks are tasks, mapped in any order and kept in the block store; whoever writes the map then
finds them all there, so it is the same whoever mapped them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtmsd import __version__
from mtmsd.errors import MachineError, MtmsdError
from mtmsd.labels.mask import MaskFile
from mtmsd.mapping.block_store import BlockStore
from mtmsd.mapping.decision import Window
from mtmsd.mapping.mapper import blocks, mapper_of
from mtmsd.mapping.runtimes import runtime_for
from mtmsd.reporting import Reporter
from mtmsd.scene.resample import open_matched

if TYPE_CHECKING:
    from distributed import Client, Future

REACHED_WITHIN_S = 20
"""So long a scheduler, and then its first worker, is waited for."""
REFUSED_FOR_S = 3
"""So long another worker is waited for where all that came were refused."""
TASKS_A_WORKER = 4
"""In flight; more would only fill the scheduler."""
DEATHS = 3
"""So often a block may be lost with its worker, the last times alone."""
LOOK_S = 0.2
"""Between two looks at cancel and workers."""


@dataclass(frozen=True)
class Cluster:
    """Who maps: so many processes here, or the workers of a scheduler."""

    workers: int | None = None
    scheduler: str | None = None

    def __bool__(self) -> bool:
        return bool(self.workers or self.scheduler)


@dataclass(frozen=True)
class BlockJob:
    """All that a worker needs to map blocks; it opens raster and classifier once for it."""

    scene: str
    classifier: Path
    checksum: str
    """Of the classifier, which a worker compares with its own file's."""
    runtime: str | None
    device: str
    names: tuple[str, ...]
    masks: tuple[MaskFile, ...] = ()
    version: str = __version__


class _Opened:
    """Raster and classifier of a job in a worker; its threads map one block at a time."""

    def __init__(self, job: BlockJob) -> None:
        runtime = runtime_for(job.classifier, job.runtime)
        classifier = runtime.classifiers.load_classifier(job.classifier)
        scene = open_matched(
            job.scene, classifier.model.metadata, classifier.model.mean_spectrum, job.masks
        )
        device = runtime.devices.choose_device(job.device)
        self.mapper = mapper_of(scene, classifier, device, compare="disagreement" in job.names)
        self.lock = threading.Lock()


_opened = lru_cache(maxsize=1)(_Opened)


def map_block(job: BlockJob, window: Window) -> dict[str, np.ndarray]:
    """Map a block in a worker; the layers of :class:`mtmsd.mapping.decision.Block` by name."""
    opened = _opened(job)
    with opened.lock:
        block = opened.mapper.block(window)
    return {name: getattr(block, name) for name in job.names}


def map_blocks(
    cluster: Cluster, job: BlockJob, window: Window, store: BlockStore, reporter: Reporter
) -> None:
    """Let the workers map all blocks of a window that are not in the store, and keep them there.

    Raises
    ------
    MachineError
        If there is no scheduler or worker that can do it, or workers die on a block.
    Canceled
        Finished blocks are kept.
    """
    left = [w for w in blocks(window) if store.read(w[0], w[1], job.names) is None]
    if not left:
        return
    with _connected(cluster, job.device) as client:
        crew = _Crew(client, job, reporter)
        reporter.phase("blocks", f"Mapping on {len(crew.able)} workers{_dashboard(client)}")
        _gather(client, crew, left, (store, window), reporter)


def _gather(
    client: Client,
    crew: _Crew,
    left: Sequence[Window],
    target: tuple[BlockStore, Window],
    reporter: Reporter,
) -> None:
    """Submit blocks and keep what comes; those whose workers died are tried again, each alone.

    Of a worker that dies Dask does not say which of its blocks it was at.
    """
    store, whole = target
    total = whole[2] * whole[3]
    done = total - sum(w[2] * w[3] for w in left)
    waiting, suspects = deque(left), deque[Window]()
    deaths: Counter[Window] = Counter()
    flying: dict[Future, tuple[Window, frozenset[str]]] = {}
    alone = False

    def lost(place: Window) -> None:
        deaths[place] += 1
        if deaths[place] >= DEATHS:
            raise _killed(place)
        suspects.append(place)

    def submit(place: Window, workers: frozenset[str]) -> None:
        flying[crew.submit(place, workers)] = (place, workers)

    try:
        while waiting or suspects or flying:
            crew.look()
            alone = alone and bool(flying)
            if suspects and not flying:
                crew.look(at_once=True)  # a worker that has gone must not count against it
                submit(suspects.popleft(), frozenset([min(crew.able)]))
                alone = True
            while waiting and not (suspects or alone) and len(flying) < _most(crew):
                submit(waiting.popleft(), crew.able)
            for future in [f for f in flying if f.done()]:
                place, _ = flying.pop(future)
                layers = _layers(future, place)
                if layers is None:
                    lost(place)
                    continue
                store.write(place[0], place[1], layers)
                done += place[2] * place[3]
            for future in [f for f, (_, able) in flying.items() if not able & crew.able]:
                future.cancel()
                lost(flying.pop(future)[0])  # all who could do it are gone
            reporter.progress(done, total, "pixel")
            if flying and not any(f.done() for f in flying):
                time.sleep(LOOK_S / 4)
    finally:
        client.cancel(list(flying))


def _layers(future: Future, place: Window) -> dict[str, np.ndarray] | None:
    """Return what a worker has mapped, None if it died; its failure is one sentence."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except MtmsdError as error:
        error.message = f"A worker failed on {_block(place)}: {error.message}"
        raise


def _most(crew: _Crew) -> int:
    return TASKS_A_WORKER * len(crew.able)


def _killed(place: Window) -> MachineError:
    return MachineError(
        f"Workers died {DEATHS} times on {_block(place)}.",
        hint="Look into the worker's log; too little memory is the usual reason. "
        "--resume goes on with the finished blocks.",
        code="no-worker",
    )


def _block(place: Window) -> str:
    return f"the block of {place[3]}×{place[2]} pixels at row {place[0]}, column {place[1]}"


class _Crew:
    """The workers that are able to do a job; others are refused by name, once."""

    def __init__(self, client: Client, job: BlockJob, reporter: Reporter) -> None:
        self._client, self._job, self._reporter = client, job, reporter
        self.able: frozenset[str] = frozenset()
        self._refused: dict[str, str] = {}
        self._looked = 0.0
        self.look()

    def submit(self, place: Window, workers: frozenset[str]) -> Future:
        return self._client.submit(
            map_block, self._job, place, workers=list(workers), pure=False,
            key=f"mtmsd-{place[0]}-{place[1]}-{os.urandom(4).hex()}",
        )  # fmt: skip

    def look(self, *, at_once: bool = False) -> None:
        """Look who is there; wait for the first one.

        Raises
        ------
        MachineError
            If nobody is able to do the job.
        """
        if self.able and not at_once and time.monotonic() - self._looked < LOOK_S:
            return
        until = time.monotonic() + REACHED_WITHIN_S
        while True:
            there = set(self._client.scheduler_info(n_workers=-1)["workers"])
            self.able &= there
            self._examine(there - self.able - set(self._refused))
            self._looked = time.monotonic()
            if self.able:
                return
            if self._refused:
                until = min(until, self._looked + REFUSED_FOR_S)
            if self._looked > until:
                raise self._nobody()
            self._reporter.check_canceled()
            time.sleep(LOOK_S)

    def _examine(self, new: set[str]) -> None:
        if not new:
            return
        answers = self._client.run(_facts(self._job), workers=list(new), on_error="return")
        for worker, answer in answers.items():
            reason = answer if isinstance(answer, str) else f"fails ({answer})" if answer else ""
            if reason:
                self._refused[worker] = reason
                self._reporter.warning(f"The worker {worker} {reason}; it is not used.")
            else:
                self.able |= {worker}

    def _nobody(self) -> MachineError:
        who = "; ".join(f"{worker} {reason}" for worker, reason in self._refused.items())
        return MachineError(
            f"No worker can map this scene: {who}."
            if who
            else f"The scheduler had no worker within {REACHED_WITHIN_S} s.",
            hint="Start workers with this version of mtmsd[cluster] that see the same files.",
            code="no-worker",
        )


def _facts(job: BlockJob) -> Any:
    """Return a function that says what keeps a worker from doing a job; empty if nothing.

    It travels as code, for a worker without mtmsd must be able to say so.
    """
    version, scene = job.version, job.scene
    classifier, checksum, runtime = str(job.classifier), job.checksum, job.runtime
    size = os.path.getsize(scene) if os.path.isfile(scene) else None

    def facts() -> str:
        from os.path import getsize, isfile
        from pathlib import Path

        try:
            import mtmsd
        except ImportError:
            return f"has no mtmsd, and {version} is needed"
        if mtmsd.__version__ != version:
            return f"has mtmsd {mtmsd.__version__}, and {version} is needed"
        if size is not None and (not isfile(scene) or getsize(scene) != size):
            return f"has no file {scene}" if not isfile(scene) else f"has another file {scene}"
        if not isfile(classifier):
            return f"has no file {classifier}"
        from mtmsd.mapping.runtimes import runtime_for

        if runtime_for(Path(classifier), runtime).files.checksum_of(Path(classifier)) != checksum:
            return f"has another file {classifier}"
        return ""

    return facts


@contextmanager
def _connected(cluster: Cluster, device: str) -> Iterator[Client]:
    """Join the scheduler, or start one with workers on this machine."""
    if find_spec("distributed") is None:
        raise MachineError(
            "Mapping by several processes needs the package distributed.",
            hint="Install it: pip install 'mtmsd[cluster]'.",
            code="no-package",
        )
    from distributed import Client

    with ExitStack() as stack:
        address: Any = cluster.scheduler
        if not address:
            from mtmsd.mapping.local_cluster import LocalWorkers, cards_for

            workers = LocalWorkers(cluster.workers or 1, _threads(), cards_for(device))
            address = stack.enter_context(workers)
        try:
            client = stack.enter_context(Client(address, timeout=REACHED_WITHIN_S))
        except (OSError, TimeoutError, ValueError) as error:
            raise MachineError(
                f"The scheduler {cluster.scheduler} was not reached within {REACHED_WITHIN_S} s.",
                hint="Check its address (tcp://host:8786) and that 'dask scheduler' runs there.",
                code="no-scheduler",
            ) from error
        yield client


def _threads() -> int:
    """Return how many threads one process would take."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else os.cpu_count() or 1


def _dashboard(client: Client) -> str:
    return f"; dashboard: {client.dashboard_link}" if find_spec("bokeh") else ""
