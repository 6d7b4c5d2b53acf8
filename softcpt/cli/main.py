"""The command ``softcpt`` and its sub-commands, each of which imports only what it needs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from softcpt.plugins import without_flag
from softcpt.utils.console import hide_bars, run_command
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
        "write a run's prompts as checkpoints that CoOp's and SoftCPT's published code load",
    ),
    "features": ("softcpt.cli.features", "list, delete or verify kept image features"),
    "inspect": (
        "softcpt.cli.inspect",
        "look inside a trained prompt: words, tasks, classes before and after, calibration",
    ),
    "predict": ("softcpt.cli.predict", "classify images with a trained prompt"),
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
    """Entry point of the command."""
    hide_bars()
    argv = without_flag(sys.argv[1:] if argv is None else argv)
    if (
        argv[:1] and argv[0] in OWN_FLAGS
    ):  # KEY VALUE pairs behind flags, which a sub-parser cannot read
        importlib.import_module(OWN_FLAGS[argv[0]][0]).main(argv[1:])
        return
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
    run_command(
        lambda: importlib.import_module(COMMANDS[args.command][0]).main(args), debug=args.debug
    )
