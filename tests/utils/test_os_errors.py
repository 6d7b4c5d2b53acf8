"""What the system refuses ends a command with one line: path, reason, remedy."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from softcpt.utils.console import run_command
from softcpt.utils.os_errors import REMEDIES


@pytest.mark.parametrize("number", [*REMEDIES, errno.ENXIO])
def test_every_refusal_is_one_line(capsys, number):
    def command():
        raise OSError(number, os.strerror(number), "/some/place")

    with pytest.raises(SystemExit) as end:
        run_command(command)
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: /some/place: {os.strerror(number)}; ")
    assert line.count("\n") == 1
    with pytest.raises(OSError, match="some/place"):
        run_command(command, debug=True)


def test_a_name_without_end_is_cut(capsys):
    with pytest.raises(SystemExit):
        run_command(lambda: open("/tmp/" + "x" * 5_000))  # noqa: SIM115
    assert len(capsys.readouterr().err) < 500


def test_a_reader_that_has_gone_is_no_error():
    code = """
from softcpt.utils.console import run_command
run_command(lambda: [print("x" * 1000) for _ in range(1000)] and None)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
