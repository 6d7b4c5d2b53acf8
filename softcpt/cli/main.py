"""The command ``softcpt`` and its sub-commands, each of which imports only what it needs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from softcpt.utils.requirements import explained
from softcpt.version import __version__

# Sub-command -> (module with add_arguments(parser) and main(args) -> exit status, what it does).
COMMANDS = {
    "average": (
        "softcpt.cli.average",
        "write the mean of the prompts of several runs, such as those of three seeds",
    ),
    "data": ("softcpt.cli.data", "list, get, check and preview data sets, and see what is on disk"),
    "env": ("softcpt.cli.env", "which engine, torch, device and weights are in use"),
    "export": (
        "softcpt.cli.export",
        "write a trained prompt for other programs: open_clip, transformers, ONNX, torch, CoOp",
    ),
    "features": ("softcpt.cli.features", "list, delete or verify kept image features"),
    "inspect": (
        "softcpt.cli.inspect",
        "look inside a trained prompt: words, tasks, classes before and after, calibration",
    ),
    "predict": ("softcpt.cli.predict", "classify images with a trained prompt"),
    "pull": ("softcpt.cli.pull", "download a trained prompt from the Hugging Face hub"),
    "push": ("softcpt.cli.push", "upload a trained prompt to the Hugging Face hub"),
    "report": (
        "softcpt.cli.report",
        "compare finished runs: tables, statistics, plots and a page to explore",
    ),
    "serve": ("softcpt.cli.serve", "a local page that classifies images with a trained prompt"),
}
# The same with main(argv), for commands that read their flags themselves.
OWN_FLAGS = {
    "grid": ("softcpt.cli.grid", "run methods x data x shots x seeds, here or on a cluster"),
    "train": ("softcpt.cli.train", "train or test a prompt (train.py)"),
    "transfer": (
        "softcpt.cli.transfer",
        "which tasks help which: all pairs of tasks, and the groups that they suggest",
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command; exits with one line and status 1 where a requirement is not
    installed."""
    argv = sys.argv[1:] if argv is None else argv
    with explained("--debug" in argv):
        _run(argv)


def _run(argv: Sequence[str]) -> None:
    # Here, not at the top: an older Python cannot read these.
    from softcpt.utils.console import hide_bars, run_command

    hide_bars()
    # Modules of commands are imported inside: an installed Dassl may be found broken then.
    run_command(lambda: _command(argv), debug="--debug" in argv)


def _command(argv: Sequence[str]) -> int:
    from softcpt.plugins import without_flag

    argv = without_flag(argv)
    if (
        argv[:1] and argv[0] in OWN_FLAGS
    ):  # KEY VALUE pairs behind flags, which a sub-parser cannot read
        importlib.import_module(OWN_FLAGS[argv[0]][0]).main(argv[1:])
        return 0
    parser = argparse.ArgumentParser(
        "softcpt", description="Multi-task prompt tuning for CLIP-like models."
    )
    parser.add_argument("--version", action="version", version=f"softcpt {__version__}")
    parser.add_argument(
        "--plugins", metavar="FOLDER", help="a folder with trainers/ or datasets/ of yours in it"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of errors")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in OWN_FLAGS.items():
        commands.add_parser(name, help=text)
    chosen = next((word for word in argv if word in COMMANDS), None)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    status: int | None = importlib.import_module(COMMANDS[args.command][0]).main(args)
    return status or 0
