"""What a file in trainers/ adds to configuration and command line."""

from __future__ import annotations

from types import ModuleType

import pytest
from yacs.config import CfgNode

from softcpt import UserError, plugins
from softcpt.engine import config, run_flags
from softcpt.engine.extension import Extension, extensions


@pytest.fixture
def drop_in(monkeypatch):
    """Puts a file with such names in trainers/; returns the function that does."""
    load, loaded = plugins.load, plugins.load("trainers")

    def add(**names: object) -> None:
        module = ModuleType("mine")
        vars(module).update(names)
        found = {"trainers": {**loaded, "mine": module}}
        monkeypatch.setattr(plugins, "load", lambda kind: found.get(kind) or load(kind))
        monkeypatch.setattr(plugins, "has_others", lambda _: True)
        extensions.cache_clear()

    yield add
    extensions.cache_clear()


def add_keys(cfg):
    cfg.TRAINER.MINE = CfgNode({"WIDTH": 8})


def merge_flags(cfg, args):
    cfg.TRAINER.MINE.WIDTH = args.width or cfg.TRAINER.MINE.WIDTH


MINE = Extension(
    extend_cfg=add_keys,
    add_flags=lambda parser: parser.add_argument("--width", type=int, help="of mine"),
    merge_flags=merge_flags,
    finish_cfg=lambda cfg: setattr(cfg, "VERBOSE", False),
    run_marks=lambda args: [("--width", str(args.width))] if args.width else [],
    key_aliases={"TRAINER.MINE.W": "TRAINER.MINE.WIDTH"},
    node_aliases={"PUBLISHED": "MINE"},
    keys_without_effect=("TRAINER.MINE.RATIO",),
)


def test_a_file_brings_keys_flags_and_names(drop_in):
    drop_in(EXTENSION=MINE)
    assert "--width" in run_flags.parser().format_help()
    cfg = run_flags.setup_config(run_flags.parser().parse_args(["--width", "16"]))
    assert cfg.TRAINER.MINE.WIDTH == 16 and cfg.VERBOSE is False
    plain = run_flags.setup_config(run_flags.parser().parse_args([]))
    assert plain.TRAINER.MINE.WIDTH == 8 and plain.OUTPUT_DIR != cfg.OUTPUT_DIR


@pytest.mark.parametrize("key", ["TRAINER.MINE.W", "TRAINER.PUBLISHED.WIDTH"])
def test_other_names_of_its_keys_are_read(drop_in, key):
    drop_in(EXTENSION=MINE)
    cfg = config.default_config()
    config.merge_pairs(cfg, [key, "4", "TRAINER.MINE.RATIO", "0.5"])
    assert cfg.TRAINER.MINE.WIDTH == 4


def test_a_function_extend_cfg_alone_is_enough(drop_in):
    drop_in(extend_cfg=add_keys)
    assert config.default_config().TRAINER.MINE.WIDTH == 8


def test_without_the_file_its_keys_are_unknown():
    with pytest.raises(UserError, match=r"unknown key 'TRAINER\.MINE\.WIDTH'"):
        config.merge_pairs(config.default_config(), ["TRAINER.MINE.WIDTH", "4"])
