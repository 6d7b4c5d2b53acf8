"""Workers of other processes that wait, after the first epoch of a job, for what a test does with
them: no test needs to hit the right moment.

A worker connects to the test's :class:`Conductor`, says who it is, and goes on at a word.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

ADDRESS = "SOFTCPT_TEST_CONDUCTOR"  # host:port
STARTUP = Path(__file__).parent / "startup"
ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """A process that has finished the first epoch of a job, and waits.

    Attributes:
        pid: the process.
        folder: of the job.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.pid, self.folder = connection.recv()

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def go_on(self) -> None:
        """Let it do its job."""
        self.connection.send("go on")

    def wait_for_end(self) -> None:
        """Return once the process has ended."""
        try:
            said = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return
        raise AssertionError(f"the worker is alive and says {said!r}")


class Conductor:
    """Workers in the order in which they finish a first epoch."""

    def __init__(self) -> None:
        self._listener = Listener(("127.0.0.1", 0), backlog=16)
        self._waiting: queue.Queue[Worker | None] = queue.Queue()
        self._free = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of processes that are to report here."""
        host, port = self._listener.address
        path = os.pathsep.join([str(STARTUP), str(ROOT), os.environ.get("PYTHONPATH", "")])
        return {ADDRESS: f"{host}:{port}", "PYTHONPATH": path.rstrip(os.pathsep)}

    def _accept(self) -> None:
        while True:
            try:
                worker = Worker(self._listener.accept())
            except (OSError, EOFError):
                return
            self._waiting.put(worker)
            if self._free.is_set():
                self._let_go()

    def watch(self, end: Callable[[], Any]) -> None:
        """Workers come of a command that ends with ``end()``: :meth:`next` waits no longer."""
        threading.Thread(target=lambda: (end(), self._waiting.put(None)), daemon=True).start()

    def next(self) -> Worker:
        """The next worker that has finished a first epoch."""
        worker = self._waiting.get()
        assert worker is not None, "the command ended before a worker finished an epoch"
        return worker

    def let_go(self) -> None:
        """Let the workers that wait go on, and all that come."""
        self._free.set()
        self._let_go()

    def _let_go(self) -> None:
        while True:
            try:
                worker = self._waiting.get_nowait()
            except queue.Empty:
                return
            if worker is not None:
                worker.go_on()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def conducted(monkeypatch: Any) -> Iterator[Conductor]:
    """Trainings in processes that are started inside wait after their first epoch."""
    conductor = Conductor()
    with monkeypatch.context() as patch:
        for name, value in conductor.environment.items():
            patch.setenv(name, value)
        try:
            yield conductor
        finally:
            conductor.let_go()
            conductor.close()


def report_first_epochs(trainer: type[Any]) -> None:
    """Have a trainer class report to the conductor after its first epoch in this process, whose
    state is saved."""
    after_epoch = trainer.after_epoch
    held_to_the_end: list[Connection] = []

    def report(self: Any) -> None:
        self.saving.share = 1e9  # save, however fast the epoch was
        after_epoch(self)
        if self.epoch == self.start_epoch:
            host, port = os.environ[ADDRESS].split(":")
            connection = Client((host, int(port)))
            held_to_the_end.append(connection)  # the test sees this process end by its closing
            connection.send((os.getpid(), Path(self.output_dir)))
            connection.recv()

    trainer.after_epoch = report
