"""``python -m softcpt serve``: a page on this machine that classifies images."""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import suppress

from softcpt.errors import UserError

_NEEDED = ("fastapi", "uvicorn", "python_multipart")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    add = parser.add_argument
    add("artefact", metavar="ARTEFACT", help="folder of a trained prompt, or of a run of train.py")
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s, which only this machine can reach; "
        "0.0.0.0: the whole network, without a password)",
    )
    add("--port", type=int, default=7860, help="0: any that is free (default: %(default)s)")
    add("--open", action="store_true", help="open the page in a browser")
    add("--max-mb", type=float, default=20, help="size of an image file (default: %(default)s)")
    add(
        "--max-megapixels",
        type=float,
        default=50,
        help="size of an image when it is decoded (default: %(default)s)",
    )
    add("--max-images", type=int, default=32, help="images of a request of /predict (default: 32)")
    add(
        "--backbone",
        help="name or weights file of the CLIP model that the prompt was trained on, where it is "
        "not found by itself",
    )
    add("--device", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")


def main(args: argparse.Namespace) -> int:
    """Do what ``args`` (of :func:`add_arguments`) say, until Ctrl-C; 0."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        install = f"pip install {' '.join(name.replace('_', '-') for name in missing)}"
        raise UserError(f"serve: {', '.join(missing)} missing; {install}")
    if not all(0 < most < 1e9 for most in (args.max_mb, args.max_megapixels, args.max_images)):
        raise UserError("serve: --max-mb, --max-megapixels and --max-images are numbers above 0")

    from softcpt.artefacts.load_prompt import load_prompt
    from softcpt.artefacts.serve import server
    from softcpt.artefacts.serve.app import make_app
    from softcpt.artefacts.serve.limits import MEGA, Limits

    limits = Limits(int(args.max_mb * MEGA), args.max_images, int(args.max_megapixels * MEGA))
    with server.open_socket(args.host, args.port) as opened:
        adapted = load_prompt(args.artefact, args.backbone, args.device)
        app = make_app(adapted, limits, server.names_of(args.host))
        address = server.address_of(opened)
        print(f"{adapted!r}\nOpen {address} in a browser; Ctrl-C ends it", flush=True)
        if args.host not in server.LOCAL:
            print("Whoever reaches this machine can use the page: there is no password", flush=True)
        if args.open:
            import webbrowser

            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended
            server.run(app, opened)
        print("stopped")
    return 0
