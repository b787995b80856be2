"""The front door of the queue: watch a folder and convert what becomes complete."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..._files import make_folder
from ...runtime.memory import memory_limit
from ...runtime.threads import thread_count
from .arrivals import Arrivals, FolderUnavailable
from .assembly import Assembly
from .clock import Clock
from .facts import Describe, describe
from .intake import Intake
from .lock import sole_watcher
from .records import COLLECTING, COMPLETED, FAILED, PENDING, GroupRecord
from .settings import Settings, as_patterns
from .store import STATE_NAME, StateError, Store
from .worker import Convert, Converted, Tell, Worker

logger = logging.getLogger(__name__)

#: Exit code after SIGTERM, as shells have it.
TERMINATED = 143


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watch did from its beginning to its end.

    Attributes
    ----------
    completed : tuple of Path
        Outputs, in the order in which they were made.
    failed : tuple of str
        Groups that failed and did not recover, each with the reason.
    """

    completed: tuple[Path, ...]
    failed: tuple[str, ...]


def watch(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    format: str = "ms",
    pattern: str | Sequence[str] | None = None,
    expected_subbands: int = 16,
    time_tolerance: float = 60.0,
    settle: float = 10.0,
    timeout: float = 86_400.0,
    retries: int = 3,
    poll: float = 5.0,
    on_incomplete: str = "error",
    once: bool = False,
    stop: Callable[[], bool] | None = None,
    state: str | os.PathLike | None = None,
    retry_failed: bool = False,
    take_over: bool = False,
    phase: Any = None,
    spectral_windows: str = "merge",
    columns: Sequence[str] = ("DATA",),
    threads: int | None = None,
    memory: int | str | None = None,
    backend: str | None = None,
    on_change: Tell | None = None,
) -> WatchReport:
    """Convert groups of subbands as they become complete in a folder that is being filled.

    A file is read once its size and time have not changed for ``settle`` seconds, or at once if
    it gets its name by a renaming within the folder. Files whose first header times agree are a
    group; a group with all its subbands is converted, the earliest first. What is done is kept in
    an SQLite file, so that the watch can be ended in any way, at any time, and started again:
    each complete group becomes exactly one output, which is never seen unfinished.

    Parameters
    ----------
    folder : path
        Where files arrive; not the folders within it.
    out : path
        Folder of the outputs, each named by the time of its group, such as
        ``2025-01-15T03:00:00.ms``. It is made if it does not exist.
    format : str
        Suffix of the outputs: "ms" or "uvh5".
    pattern : str or sequence of str, optional
        Names of the files; default ``*.hdf5``, ``*.h5`` and ``*.uvh5``. Names that begin with "."
        are left alone.
    expected_subbands : int
        Subbands of a complete group.
    time_tolerance : float
        Seconds by which the first times of the subbands of a group may differ.
    settle : float
        Seconds for which a file must not change before it is read.
    timeout : float
        Seconds after which a group that is not complete is given up.
    retries : int
        New tries after an error of input or output, each after a longer time. Other errors are
        final until a file of the group changes.
    poll : float
        Seconds between looks at the folder.
    on_incomplete : {"error", "fill"}
        What becomes of a group after the timeout: it fails, or it is converted with the missing
        channels flagged.
    once : bool
        Return when there is nothing left to wait for, rather than never. Groups that still
        collect stay so.
    stop : callable, optional
        Asked between groups; the watch returns when it gives True.
    state : path, optional
        The SQLite file; default ``armillary-queue.sqlite`` in ``out``. Its journal is a
        write-ahead log, except on network file systems, where that would be unsafe.
    retry_failed : bool
        Try groups again that failed before.
    take_over : bool
        Take over the state of a watcher on another machine, which must be dead.
    phase, spectral_windows, columns, threads, memory, backend
        As of :func:`armillary.convert.visibilities`.
    on_change : callable, optional
        Called with each group whose state changed.

    Returns
    -------
    WatchReport
        What was completed and what failed since the beginning of this call.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If an argument is none of those allowed.
    ImportError
        If a Measurement Set is wanted, and python-casacore is not installed.
    RuntimeError
        If another process watches with this state, or it is the state of another watch.

    Notes
    -----
    Ctrl-C and SIGTERM release the group in hand: what was written of it goes, and it waits for
    the next watch. One watcher at a time can use a state; that of a process that died is taken
    over.

    A second file with a subband that its group has already is left alone, as is one that comes
    after its group was converted; both are logged and kept in the state. A file that is not valid
    is looked at again when it changes.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import armillary as arm
    >>> from armillary.testing import simulated_observation
    >>> folder = tempfile.TemporaryDirectory()
    >>> raw, out = (pathlib.Path(folder.name, name) for name in ("raw", "converted"))
    >>> raw.mkdir()
    >>> observation = simulated_observation(raw)
    >>> report = arm.convert.watch(raw, out, format="uvh5", settle=0, once=True,
    ...     expected_subbands=len(observation.paths))
    >>> [path.name for path in report.completed]
    ['2025-10-03T05:12:36.uvh5']
    >>> folder.cleanup()
    """
    settings = Settings(
        expected_subbands=expected_subbands,
        tolerance=time_tolerance,
        settle=settle,
        timeout=timeout,
        retries=retries,
        poll=poll,
        on_incomplete=on_incomplete,
        suffix=_suffix(format),
        patterns=as_patterns(pattern),
    )
    convert = functools.partial(
        _convert_visibilities,
        expected_subbands=expected_subbands,
        time_tolerance=time_tolerance,
        phase=phase,
        spectral_windows=spectral_windows,
        columns=columns,
        threads=threads,
        memory=memory,
        backend=backend,
    )
    _check_options(convert, settings.suffix, threads, memory)
    watcher = Watcher(Path(folder), Path(out), settings, convert, state=state, tell=on_change)
    return watcher.run(once=once, stop=stop, retry_failed=retry_failed, take_over=take_over)


def _check_options(
    convert: Convert, suffix: str, threads: int | None, memory: int | str | None
) -> None:
    """Refuse options at once, rather than with every group: they are checked before the files."""
    thread_count(threads)
    if memory is not None:
        memory_limit(memory)
    with contextlib.suppress(FileNotFoundError):
        convert([], Path(f"none{suffix}"), False)


def _suffix(format: str) -> str:
    if not isinstance(format, str) or not format.strip("."):
        raise ValueError(f"format must be a suffix such as 'ms' or 'uvh5', not {format!r}")
    return f".{format.strip('.')}"


def _convert_visibilities(
    paths: Sequence[Path], out: Path, incomplete: bool, **options: Any
) -> Converted:
    from ..visibility.api import visibilities

    report = visibilities(paths, out, on_incomplete="fill" if incomplete else "error", **options)
    if len(report.observations) != 1:
        n = len(report.observations)
        raise ValueError(f"{n} observations were found in what was taken for one group")
    made = report.observations[0]
    return Converted(
        n_rows=made.n_rows,
        n_channels=made.n_channels,
        flagged_fraction=made.flagged_fraction,
        bytes_read=made.bytes_read,
        bytes_written=made.bytes_written,
    )


class Watcher:
    """Watches a folder; see :func:`watch`, which says how files are read and converted.

    Parameters
    ----------
    folder, out : Path
        Where files arrive, and where outputs go.
    settings : Settings
        When to do what.
    convert : callable
        Makes an output of files.
    describe : callable
        Validates a file and tells its times and channels.
    state : path, optional
        The SQLite file.
    clock : Clock
        Tells the time.
    random : callable
        Numbers in [0, 1), for delays.
    tell : callable, optional
        Told of every group whose state changes.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        settings: Settings,
        convert: Convert,
        *,
        describe: Describe = describe,
        state: str | os.PathLike | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = random.random,
        tell: Tell | None = None,
    ) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {str(folder)!r} to be watched")
        self.folder, self.out = folder.resolve(), out.resolve()
        self.settings = settings
        self.state = self.out / STATE_NAME if state is None else Path(state).resolve()
        self._convert = convert
        self._describe = describe
        self._clock = clock or Clock()
        self._random = random
        self._user_tell = tell
        self._completed: list[Path] = []
        self._failed: dict[str, str] = {}
        self._is_away = False
        self._refuse_own_outputs()

    def _refuse_own_outputs(self) -> None:
        name = f"output{self.settings.suffix}"
        clash = any(fnmatch.fnmatchcase(name, pattern) for pattern in self.settings.patterns)
        if self.folder == self.out and clash:
            raise ValueError(
                f"out: outputs that end in {self.settings.suffix!r} would be taken for new files "
                f"in {str(self.folder)!r}; name another folder"
            )

    def run(
        self,
        *,
        once: bool = False,
        stop: Callable[[], bool] | None = None,
        retry_failed: bool = False,
        take_over: bool = False,
    ) -> WatchReport:
        """Watch until there is nothing to wait for, or stopped, or interrupted."""
        make_folder(self.out, parents=True)
        with contextlib.ExitStack() as stack:
            store = Store.open(self.state)
            stack.callback(store.close)
            stack.enter_context(sole_watcher(store, take_over=take_over))
            self._check_belongs(store)
            stack.enter_context(_sigterm_as_exit())
            intake, assembly, worker = self._parts(store)
            worker.recover()
            with store.transaction():
                assembly.assess_all(COLLECTING, PENDING, *([FAILED] if retry_failed else []))
            stack.callback(worker.put_down)
            self._loop(intake, worker, store, once, stop)
        return WatchReport(
            tuple(self._completed), tuple(f"{id}: {why}" for id, why in self._failed.items())
        )

    def _check_belongs(self, store: Store) -> None:
        for name, path in (("folder", self.folder), ("out", self.out)):
            known = store.recall(name)
            if known is not None and known != str(path):
                raise StateError(
                    f"{str(store.path)!r} is the state of another watch, whose {name} is "
                    f"{known!r}, not {str(path)!r}; name another file by state (--state)"
                )
        with store.transaction():
            store.remember("folder", str(self.folder))
            store.remember("out", str(self.out))
            store.remember("settings", asdict(self.settings))

    def _parts(self, store: Store) -> tuple[Intake, Assembly, Worker]:
        settings, clock = self.settings, self._clock
        arrivals = Arrivals(self.folder, settings.patterns, settings.settle, clock)
        assembly = Assembly(store, settings, clock)
        intake = Intake(store, arrivals, assembly, self._describe, settings, clock, self._random)
        worker = Worker(
            store, self.folder, self.out, self._convert, settings, clock, self._random, self._tell
        )
        return intake, assembly, worker

    def _loop(
        self,
        intake: Intake,
        worker: Worker,
        store: Store,
        once: bool,
        stop: Callable[[], bool] | None,
    ) -> None:
        while not (stop is not None and stop()):
            self._look(intake, once)
            worked = worker.work()
            if worked:
                continue
            if once and not intake.is_waiting and not store.has_groups(PENDING):
                return
            self._clock.sleep(self.settings.poll)

    def _look(self, intake: Intake, once: bool) -> None:
        """Look at the folder; one that is away is waited for, unless there is only this look."""
        try:
            given_up = intake.look()
        except FolderUnavailable as error:
            if once:
                raise
            if not self._is_away:
                logger.warning("%s", error)
            self._is_away = True
            return
        self._is_away = False
        for group in given_up:
            self._tell(group)

    def _tell(self, group: GroupRecord) -> None:
        self._failed.pop(group.id, None)
        if group.state == COMPLETED:
            self._completed.append(self.out / group.out)
        elif group.state == FAILED:
            self._failed[group.id] = group.reason
        if self._user_tell is not None:
            self._user_tell(group)


@contextlib.contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """End like any exit on SIGTERM, where nobody else has said what it means."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
