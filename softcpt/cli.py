"""The command ``softcpt``: train, data, env, features. Each sub-command imports only what it needs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from softcpt import __version__
from softcpt.terminal import run_command

# Sub-command -> (module with add_arguments(parser) and main(args) -> exit status, what it does).
COMMANDS = {
    "data": ("softcpt.data.cli", "list, get, check and preview data sets, and see what is on disk"),
    "env": ("softcpt.env", "which engine, torch, device and weights are in use"),
    "features": ("softcpt.features_cli", "list, delete or verify kept image features"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["train"]:  # train.py's own flags, untouched
        from softcpt.train import main as train

        train(argv[1:])
        return
    parser = argparse.ArgumentParser("softcpt", description="Multi-task prompt tuning for CLIP-like models.")
    parser.add_argument("--version", action="version", version=f"softcpt {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of errors")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("train", help="train or test a prompt (train.py)")
    chosen = next((word for word in argv if word in COMMANDS), None)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    run_command(lambda: importlib.import_module(COMMANDS[args.command][0]).main(args), debug=args.debug)
