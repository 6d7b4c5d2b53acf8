"""From the configuration to batches of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from dassl.utils import read_image
from tabulate import tabulate
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from yacs.config import CfgNode

from softcpt.errors import UserError

from .datasets import Datum, build_dataset
from .samplers import build_sampler
from .transforms import INTERPOLATION_MODES, build_transform


def build_data_loader(
    cfg: CfgNode,
    sampler_type: str = "SequentialSampler",
    data_source: Sequence[Datum] | None = None,
    batch_size: int = 64,
    n_domain: int = 0,
    n_ins: int = 2,
    tfm: Any = None,
    is_train: bool = True,
    dataset_wrapper: Callable[..., Dataset[Any]] | None = None,
) -> DataLoader[Any]:
    """Batches of ``data_source``. When training, an incomplete batch is left out unless it is the
    only one."""
    if not data_source:
        raise UserError(
            "data loader: there are no images; check DATASET.ROOT, DATASET.NAME and its split"
        )
    order = build_sampler(sampler_type, cfg, data_source, batch_size, n_domain, n_ins)
    images = (dataset_wrapper or DatasetWrapper)(cfg, data_source, transform=tfm, is_train=is_train)
    fills_a_batch, workers = batch_size <= len(data_source), cfg.DATALOADER.NUM_WORKERS
    loader = DataLoader(
        images,
        batch_size,
        sampler=order,
        num_workers=workers,
        pin_memory=cfg.USE_CUDA and torch.cuda.is_available(),
        drop_last=is_train and fills_a_batch,
    )
    if len(loader) == 0:
        raise AssertionError(
            f"data loader: {sampler_type} gives no batch of {batch_size}; lower the batch size"
        )
    return loader


class DataManager:
    """The data set of a configuration with its transforms and loaders.

    Attributes: ``dataset``, ``train_loader_x``, ``train_loader_u`` and ``val_loader`` (None when
    there are no such images), ``test_loader``, ``num_classes``, ``num_source_domains``,
    ``lab2cname``.
    """

    def __init__(
        self,
        cfg: CfgNode,
        custom_tfm_train: Any = None,
        custom_tfm_test: Any = None,
        dataset_wrapper: Callable[..., Dataset[Any]] | None = None,
    ) -> None:
        self.dataset = data = build_dataset(cfg)
        self._cfg, self._wrapper = cfg, dataset_wrapper
        train = _transform(cfg, custom_tfm_train, is_train=True)
        test = _transform(cfg, custom_tfm_test, is_train=False)
        nodes = cfg.DATALOADER
        unlabelled = nodes.TRAIN_X if nodes.TRAIN_U.SAME_AS_X else nodes.TRAIN_U
        self.train_loader_x = self._loader(data.train_x, nodes.TRAIN_X, train, is_train=True)
        self.train_loader_u = (
            self._loader(data.train_u, unlabelled, train, is_train=True) if data.train_u else None
        )
        self.val_loader = self._loader(data.val, nodes.TEST, test) if data.val else None
        self.test_loader = self._loader(data.test, nodes.TEST, test)
        if cfg.VERBOSE:
            self.show_dataset_summary(cfg=cfg)

    def _loader(
        self, source: Sequence[Datum], node: CfgNode, tfm: Any, is_train: bool = False
    ) -> DataLoader[Any]:
        """Batches of ``source`` by one node of DATALOADER."""
        sampling = {
            key.lower(): node[key] for key in ("BATCH_SIZE", "N_DOMAIN", "N_INS") if key in node
        }
        return build_data_loader(
            self._cfg,
            node.SAMPLER,
            source,
            tfm=tfm,
            is_train=is_train,
            dataset_wrapper=self._wrapper,
            **sampling,
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self.dataset.num_classes)

    @property
    def num_source_domains(self) -> int:
        """Number of DATASET.SOURCE_DOMAINS."""
        return len(self._cfg.DATASET.SOURCE_DOMAINS)

    @property
    def lab2cname(self) -> dict[int, str]:
        """Label -> class name."""
        names: dict[int, str] = self.dataset.lab2cname
        return names

    def show_dataset_summary(self, cfg: CfgNode) -> None:
        """Print a table of names and sizes."""
        splits = {
            name: getattr(self.dataset, name) for name in ("train_x", "train_u", "val", "test")
        }
        facts = {
            "data set": cfg.DATASET.NAME,
            "source domains": ", ".join(map(str, cfg.DATASET.SOURCE_DOMAINS)),
            "target domains": ", ".join(map(str, cfg.DATASET.TARGET_DOMAINS)),
            "classes": f"{self.num_classes:,}",
            **{name: f"{len(items):,}" for name, items in splits.items() if items},
        }
        print(tabulate([fact for fact in facts.items() if fact[1]]))


def _transform(cfg: CfgNode, custom: Any, is_train: bool) -> Any:
    """The caller's transform, or the configuration's."""
    if custom is None:
        return build_transform(cfg, is_train=is_train)
    print(f"{'training' if is_train else 'test'} transform: the caller's own")
    return custom


def _plain_transform(cfg: CfgNode) -> transforms.Compose:
    """Image -> tensor of INPUT.SIZE, normalised if the configuration does so, and nothing drawn."""
    settings = cfg.INPUT
    steps = [
        transforms.Resize(settings.SIZE, INTERPOLATION_MODES[settings.INTERPOLATION]),
        transforms.ToTensor(),
    ]
    if "normalize" in settings.TRANSFORMS:
        steps.append(transforms.Normalize(settings.PIXEL_MEAN, settings.PIXEL_STD))
    return transforms.Compose(steps)


class DatasetWrapper(Dataset[dict[str, Any]]):
    """Datum -> dict of label, domain, impath, index and the transformed image ``img``.

    A list of transforms gives img, img2, img3, ...; DATALOADER.K_TRANSFORMS > 1 makes each of them
    a list of views when training; DATALOADER.RETURN_IMG0 adds ``img0``, resized but not augmented.
    """

    def __init__(
        self,
        cfg: CfgNode,
        data_source: Sequence[Datum],
        transform: Any = None,
        is_train: bool = False,
    ) -> None:
        self.cfg = cfg
        self.data_source = data_source
        self.transform = transform
        self.is_train = is_train
        if transform is None and self.k_tfm > 1:
            raise ValueError(
                f"DATALOADER.K_TRANSFORMS {self.k_tfm}: there is no transform to apply more than "
                "once"
            )

    # Cached rather than plain properties, so that a subclass can set them.

    @cached_property
    def k_tfm(self) -> int:
        """Views of each image and transform."""
        return int(self.cfg.DATALOADER.K_TRANSFORMS) if self.is_train else 1

    @cached_property
    def return_img0(self) -> bool:
        """Whether items have ``img0``."""
        return bool(self.cfg.DATALOADER.RETURN_IMG0)

    @cached_property
    def to_tensor(self) -> transforms.Compose:
        """The transform to ``img0``."""
        return _plain_transform(self.cfg)

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        datum = self.data_source[idx]
        image = read_image(datum.impath)
        facts = {name: getattr(datum, name) for name in ("label", "domain", "impath")}
        plain = {"img0": self.to_tensor(image)} if self.return_img0 else {}
        return facts | {"index": idx} | self._images(image) | plain

    def _images(self, image: Any) -> dict[str, Any]:
        """``img``, ``img2``, ... by the transforms; the image itself when there is none."""
        if self.transform is None:
            return {"img": image}
        tfms = self.transform if isinstance(self.transform, (list, tuple)) else [self.transform]
        keys = ["img", *(f"img{number}" for number in range(2, len(tfms) + 1))]
        return {key: self._transform_image(tfm, image) for key, tfm in zip(keys, tfms)}

    def _transform_image(self, tfm: Callable[[Any], Any], image: Any) -> Any:
        """One view, or a list of ``k_tfm``."""
        return tfm(image) if self.k_tfm == 1 else [tfm(image) for _ in range(self.k_tfm)]
