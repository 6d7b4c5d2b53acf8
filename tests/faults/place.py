"""Where commands are tried, each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.cli import main as cli
from softcpt.cli import train
from softcpt.engine import run as _run  # noqa: F401 (so that each process need not import it)
from tests.faults.commands import COMMANDS, DATA_SET, images, served
from tests.faults.failing import Fault
from tests.faults.small_disk import obey_permissions
from tests.faults.startup import sitecustomize
from tests.faults.written import written
from tests.helpers.web import Server

ROOT = Path(__file__).parents[2]


NONE = Fault("write", "EIO", 0, "/nowhere")
PATIENCE = 240  # seconds after which a command that waits for ever is ended


@dataclass(frozen=True)
class Ended:
    """How a command ended: status (minus the signal that ended it), stdout, stderr, calls of the
    watched function, seconds."""

    status: int
    out: str
    err: str
    calls: int
    seconds: float


class Place:
    """A folder in which commands find what they need, and one below it that they write to.

    Attributes:
        folder: of all this.
        target: what commands write lies below it; it is empty before each trial.
        out: in it, what most of them are to write to.
        images: a folder of two classes.
        content: what a server gives, by name.
        plugins: a folder with a data set whose files it gives.
        right: command -> what it writes on a disk that does not fail.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.target, self.log = folder, folder / "trial", folder / "log"
        self.out, self.plugins = self.target / "out", folder / "plugins"
        folder.mkdir(parents=True)
        os.environ["SOFTCPT_CACHE"] = str(self.target / "cache")
        for kind in ("trainers", "datasets"):
            plugins.load(kind)
        self.images = images(folder / "squares")
        self.content = served(self.images)
        self._serve()
        self.right: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._largest: dict[str, int] = {}
        self._calls: dict[tuple[str, str, bool], int] = {}

    def _serve(self) -> None:
        self.server = Server(self.content)
        self.server.etag = '"1"'
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self.server.serve_forever, kwargs=serve, daemon=True).start()
        os.environ["no_proxy"] = "127.0.0.1"
        md5 = hashlib.md5(self.content["images.zip"]).hexdigest()
        (self.plugins / "datasets").mkdir(parents=True)
        text = DATA_SET.replace("{url}", self.server.url).replace("{md5}", md5)
        (self.plugins / "datasets/squares.py").write_text(text)

    def run(self, seed: str) -> str:
        """The folder of a finished run, which is trained the first time it is asked for."""
        # As deep as it was written: the path of its weights is relative.
        kept = self.folder / "runs" / f"run{seed}"
        if not kept.exists():
            self.clear()
            ended = self.attempt("train", seed=seed)
            assert ended.status == 0, ended.err
            kept.parent.mkdir(exist_ok=True)
            self.out.rename(kept)
        return str(kept)

    def clear(self) -> None:
        """Empty the target."""
        shutil.rmtree(self.target, ignore_errors=True)
        shutil.rmtree(self._once, ignore_errors=True)

    @property
    def _once(self) -> Path:
        return self.folder / "once"

    def attempt(
        self,
        command: str,
        fault: Fault | None = None,
        seed: str = "1",
        in_worker: bool = False,
        killed_after: float = 0.0,
        largest: int = 0,
        obeys: bool = False,
    ) -> Ended:
        """Run a command in a process of its own.

        Args:
            command: of :data:`COMMANDS`.
            fault: that meets it; None: none does.
            seed: of a run.
            in_worker: the fault meets the processes that the command starts.
            killed_after: so many seconds it is killed; 0: it is not.
            largest: bytes that a file may have; 0: as many as it likes.
            obeys: whether permissions count, which do not for root.
        """
        words = COMMANDS[command].words(self, seed)
        return self.fork(words, fault or NONE, in_worker, killed_after, largest, obeys=obeys)

    def fork(
        self,
        words: Sequence[str],
        fault: Fault = NONE,
        in_worker: bool = False,
        killed_after: float = 0.0,
        largest: int = 0,
        at_most: float = 0.0,
        obeys: bool = False,
    ) -> Ended:
        """The same of any command line; ``at_most``: seconds of computing after which it is ended,
        0: none."""
        began = time.monotonic()
        child = os.fork()
        if not child:
            signal.setitimer(signal.ITIMER_PROF, at_most)
            signal.alarm(PATIENCE)
            if largest:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
            if obeys:
                obey_permissions()
            self._work(words, fault, in_worker)
        if killed_after:
            time.sleep(killed_after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        seconds = time.monotonic() - began
        out, err = (
            self.log.with_suffix(ending).read_text(errors="replace") for ending in (".out", ".err")
        )
        calls = self.log.with_suffix(".calls")
        counts = calls.read_text().split() if calls.exists() else []
        return Ended(status, out, err, max(map(int, counts), default=0), seconds)

    def prepared(self, command: str) -> None:
        """Empty the target, and put there what the command needs."""
        COMMANDS[command].words(self, "1")  # what it needs is made, which takes the target
        self.clear()
        COMMANDS[command].prepare(self)

    def measure(self, command: str) -> None:
        """Find out what is written in the end, and how long that takes."""
        if command in self.right:
            return
        self.prepared(command)
        ended = self.attempt(command)
        assert ended.status == 0, ended.err
        self.right[command], self._seconds[command] = written(self.target), ended.seconds
        files = [path for path in self.target.rglob("*") if path.is_file()]
        self._largest[command] = max(path.stat().st_size for path in files)

    def seconds(self, command: str) -> float:
        """How long it takes."""
        self.measure(command)
        return self._seconds[command]

    def largest(self, command: str) -> int:
        """Bytes of the largest file that it writes."""
        self.measure(command)
        return self._largest[command]

    def calls(self, command: str, function: str, in_worker: bool = False) -> int:
        """How often it calls a function."""
        key = (command, function, in_worker)
        if key not in self._calls:
            self.prepared(command)
            fault = self.fault(function, "EIO", 0)
            ended = self.attempt(command, fault, in_worker=in_worker)
            assert ended.status == 0, ended.err
            self._calls[key] = ended.calls
        return self._calls[key]

    def fault(self, function: str, error: str, call: int, for_good: bool = False) -> Fault:
        """One that meets the target, and one process; or ``for_good`` all."""
        return Fault(function, error, call, str(self.target), str(self._once), for_good)

    def _work(self, words: Sequence[str], fault: Fault, in_worker: bool) -> None:
        """In the child: the command, its output into files."""
        counted = self.log.with_suffix(".calls")
        counted.unlink(missing_ok=True)
        for descriptor, ending in ((1, ".out"), (2, ".err")):
            path = self.log.with_suffix(ending)
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.stdout = os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w", buffering=1)
        if in_worker:
            _meet_workers(fault, counted)
        opened, write, status = os.open, os.write, 0
        try:
            if not in_worker:
                fault.install()
            train.main(words[1:]) if words[:1] == ["train"] else cli.main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:  # noqa: BLE001 (whatever it is, the trial says so)
            traceback.print_exc()
            status = 99
        sys.stdout.flush()
        if not in_worker:
            write(opened(counted, os.O_WRONLY | os.O_CREAT), str(fault.calls).encode())
        os._exit(status)


def _meet_workers(fault: Fault, counted: Path) -> None:
    """Let processes that are started from now on have the fault."""
    stated = {key: value for key, value in vars(fault).items() if key != "calls"}
    os.environ[sitecustomize.STATED] = json.dumps({**stated, "counted": str(counted)})
    paths = [str(Path(sitecustomize.__file__).parent), str(ROOT)]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
