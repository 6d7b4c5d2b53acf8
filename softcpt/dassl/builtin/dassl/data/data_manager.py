"""From the configuration to batches of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    dataset_wrapper: Callable[..., Dataset] | None = None,
) -> DataLoader:
    """Batches of ``data_source``. When training, an incomplete batch is left out unless it is the only one."""
    if not data_source:
        raise UserError("data loader: there are no images; check DATASET.ROOT, DATASET.NAME and its split")
    wrapper = dataset_wrapper or DatasetWrapper
    loader = DataLoader(
        wrapper(cfg, data_source, transform=tfm, is_train=is_train),
        batch_size=batch_size,
        sampler=build_sampler(
            sampler_type, cfg=cfg, data_source=data_source, batch_size=batch_size, n_domain=n_domain, n_ins=n_ins
        ),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        drop_last=is_train and len(data_source) >= batch_size,
        pin_memory=torch.cuda.is_available() and cfg.USE_CUDA,
    )
    if len(loader) == 0:
        raise AssertionError(f"data loader: {sampler_type} gives no batch of {batch_size}; lower the batch size")
    return loader


class DataManager:
    """The data set of a configuration with its transforms and loaders.

    Attributes: ``dataset``, ``train_loader_x``, ``train_loader_u`` and ``val_loader`` (None when there are no such
    images), ``test_loader``, ``num_classes``, ``num_source_domains``, ``lab2cname``.
    """

    def __init__(
        self,
        cfg: CfgNode,
        custom_tfm_train: Any = None,
        custom_tfm_test: Any = None,
        dataset_wrapper: Callable[..., Dataset] | None = None,
    ) -> None:
        self.dataset = build_dataset(cfg)
        self._cfg, self._wrapper = cfg, dataset_wrapper
        tfm_train = _transform(cfg, custom_tfm_train, is_train=True)
        tfm_test = _transform(cfg, custom_tfm_test, is_train=False)
        loaders = cfg.DATALOADER
        unlabelled = loaders.TRAIN_X if loaders.TRAIN_U.SAME_AS_X else loaders.TRAIN_U
        self.train_loader_x = self._loader(self.dataset.train_x, loaders.TRAIN_X, tfm_train, is_train=True)
        self.train_loader_u = (
            self._loader(self.dataset.train_u, unlabelled, tfm_train, is_train=True) if self.dataset.train_u else None
        )
        self.val_loader = self._loader(self.dataset.val, loaders.TEST, tfm_test) if self.dataset.val else None
        self.test_loader = self._loader(self.dataset.test, loaders.TEST, tfm_test)
        if cfg.VERBOSE:
            self.show_dataset_summary(cfg)

    def _loader(self, source: Sequence[Datum], settings: CfgNode, tfm: Any, is_train: bool = False) -> DataLoader:
        """Batches of ``source`` by one node of DATALOADER."""
        return build_data_loader(
            self._cfg,
            sampler_type=settings.SAMPLER,
            data_source=source,
            batch_size=settings.BATCH_SIZE,
            n_domain=settings.get("N_DOMAIN", 0),
            n_ins=settings.get("N_INS", 2),
            tfm=tfm,
            is_train=is_train,
            dataset_wrapper=self._wrapper,
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.dataset.num_classes

    @property
    def num_source_domains(self) -> int:
        """Number of DATASET.SOURCE_DOMAINS."""
        return len(self._cfg.DATASET.SOURCE_DOMAINS)

    @property
    def lab2cname(self) -> dict[int, str]:
        """Label -> class name."""
        return self.dataset.lab2cname

    def show_dataset_summary(self, cfg: CfgNode) -> None:
        """Print a table of names and sizes."""
        rows = [("Dataset", cfg.DATASET.NAME)]
        rows += [("Source", cfg.DATASET.SOURCE_DOMAINS)] if cfg.DATASET.SOURCE_DOMAINS else []
        rows += [("Target", cfg.DATASET.TARGET_DOMAINS)] if cfg.DATASET.TARGET_DOMAINS else []
        rows += [("# classes", f"{self.num_classes:,}"), ("# train_x", f"{len(self.dataset.train_x):,}")]
        rows += [("# train_u", f"{len(self.dataset.train_u):,}")] if self.dataset.train_u else []
        rows += [("# val", f"{len(self.dataset.val):,}")] if self.dataset.val else []
        rows += [("# test", f"{len(self.dataset.test):,}")]
        print(tabulate(rows))


def _transform(cfg: CfgNode, custom: Any, is_train: bool) -> Any:
    """The caller's transform, or the configuration's."""
    if custom is None:
        return build_transform(cfg, is_train=is_train)
    print(f"* Using custom transform for {'training' if is_train else 'testing'}")
    return custom


class DatasetWrapper(Dataset):
    """Datum -> dict of label, domain, impath, index and the transformed image ``img``.

    A list of transforms gives img, img2, img3, ...; DATALOADER.K_TRANSFORMS > 1 makes each of them a list of views when
    training; DATALOADER.RETURN_IMG0 adds ``img0``, resized but not augmented.
    """

    def __init__(
        self, cfg: CfgNode, data_source: Sequence[Datum], transform: Any = None, is_train: bool = False
    ) -> None:
        self.cfg = cfg
        self.data_source = data_source
        self.transform = transform
        self.is_train = is_train
        self.k_tfm = cfg.DATALOADER.K_TRANSFORMS if is_train else 1
        self.return_img0 = cfg.DATALOADER.RETURN_IMG0
        if self.k_tfm > 1 and transform is None:
            raise ValueError(f"DATALOADER.K_TRANSFORMS {self.k_tfm}: there is no transform to apply more than once")
        plain = [
            transforms.Resize(cfg.INPUT.SIZE, interpolation=INTERPOLATION_MODES[cfg.INPUT.INTERPOLATION]),
            transforms.ToTensor(),
        ]
        if "normalize" in cfg.INPUT.TRANSFORMS:
            plain.append(transforms.Normalize(cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD))
        self.to_tensor = transforms.Compose(plain)

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        item = self.data_source[idx]
        image = read_image(item.impath)
        output = {"label": item.label, "domain": item.domain, "impath": item.impath, "index": idx}
        if self.transform is None:
            output["img"] = image
        elif isinstance(self.transform, (list, tuple)):
            for number, tfm in enumerate(self.transform, start=1):
                output["img" if number == 1 else f"img{number}"] = self._transform_image(tfm, image)
        else:
            output["img"] = self._transform_image(self.transform, image)
        if self.return_img0:
            output["img0"] = self.to_tensor(image)
        return output

    def _transform_image(self, tfm: Callable[[Any], Any], image: Any) -> Any:
        """One view, or a list of ``k_tfm``."""
        views = [tfm(image) for _ in range(self.k_tfm)]
        return views[0] if len(views) == 1 else views
