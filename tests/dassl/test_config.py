"""The configuration tree."""

from dassl.config import clean_cfg, get_cfg_default
from yacs.config import CfgNode


def leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_the_tree_has_dassls_135_settings():
    settings = dict(leaves(get_cfg_default()))
    assert len(settings) == 135
    assert settings["OPTIM.LR"] == 0.0003
    assert settings["INPUT.SIZE"] == (224, 224)
    assert settings["DATALOADER.TRAIN_X.SAMPLER"] == "RandomSampler"
    assert settings["TRAINER.MIXMATCH.WEIGHT_U"] == 100.0


def test_two_trees_share_nothing():
    one, other = get_cfg_default(), get_cfg_default()
    one.INPUT.PIXEL_MEAN[0] = 9.0
    one.OPTIM.LR = 9.0
    assert other.INPUT.PIXEL_MEAN[0] == 0.485
    assert other.OPTIM.LR == get_cfg_default().OPTIM.LR == 0.0003


def test_clean_cfg_keeps_only_the_named_trainers_settings():
    cfg = get_cfg_default()
    clean_cfg(cfg, "FixMatch")
    assert set(cfg.TRAINER) == {"NAME", "FIXMATCH"}
