"""Trains a method on data of many tasks: the same steps as ``train.py``, in one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tqdm import tqdm
from yacs.config import CfgNode

from softcpt import dassl
from softcpt.artefacts import checkpoint
from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.record import Record
from softcpt.clip.model import Clip
from softcpt.data.task_data import TaskData
from softcpt.engine import config
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.continuation import RunIdentity, data_digest, find_run
from softcpt.engine.fit_choice import EpochChoice
from softcpt.engine.fit_settings import FitSettings
from softcpt.engine.fit_sources import Source, source_of
from softcpt.engine.learner import Learner
from softcpt.engine.optimisers import optimiser_and_schedule
from softcpt.engine.results import machine_facts, versions
from softcpt.engine.settings import shared_values
from softcpt.engine.steps import epochs_given, with_epochs_of
from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError
from softcpt.features.feature_data import FeatureData
from softcpt.features.images import default_workers
from softcpt.prompters import METHODS, FeatureClassifier, build_method, variant_name
from softcpt.utils.paced import Paced
from softcpt.utils.seeding import generators_kept, seed_everything
from softcpt.utils.suggest import near_and_all
from softcpt.utils.tf32 import tf32_is

dassl.activate()


@dataclass
class EpochEnd:
    """What a callback of :func:`fit` is given after an epoch.

    Attributes:
        epoch: that is done, counted from 1.
        epochs: of the whole training.
        loss: mean over the epoch's steps.
        rate: the learning rate of its steps.
        seconds: since training began in this process.
        adapted: the method as it is now: ``end.adapted.evaluate(data.val)`` measures it.

    Example:
        >>> def stop_after_two(end):
        ...     if end.epoch == 2:
        ...         end.stop()
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> data = softcpt.FeatureData(tasks, torch.randn(8, 256), torch.arange(8) % 2)
        >>> clip, callbacks = softcpt.load_clip("tiny"), [stop_after_two]
        >>> fitted = softcpt.fit(
        ...     "CoOp", clip, data, epochs=9, n_ctx=2, callbacks=callbacks, progress=False
        ... )
        >>> len(fitted.record.curve)
        2
    """

    epoch: int
    epochs: int
    loss: float
    rate: float
    seconds: float
    adapted: AdaptedClip
    stopped: bool = field(default=False, init=False)

    def stop(self) -> None:
        """End training after this epoch."""
        self.stopped = True


Callback = Callable[[EpochEnd], object]


def fit(
    method: str,
    clip: Clip,
    data: TaskData | FeatureData | Any,
    *,
    epochs: int = 50,
    steps: int = 0,
    steps_per_shot: int = 0,
    lr: float = 0.002,
    batch_size: int = 32,
    seed: int = 1,
    optimizer: str = "sgd",
    weight_decay: float = 5e-4,
    momentum: float = 0.9,
    schedule: str = "cosine",
    warmup_epochs: int = 1,
    warmup_lr: float = 1e-5,
    sampler: str = "RandomSampler",
    task_shares: Sequence[float] | Mapping[str, float] = (),
    drop_last: bool = True,
    transforms: Sequence[str] = ("random_resized_crop", "random_flip", "normalize"),
    crop_scale: tuple[float, float] = (0.08, 1.0),
    views: int = 0,
    workers: int | None = None,
    bank: str | os.PathLike[str] = "",
    loss_shares: str = "images",
    task_weights: Sequence[float] | Mapping[str, float] = (),
    task_weighting: str = "none",
    mean_factor: float = 0.9,
    task_gradients: str = "sum",
    graph: str = "off",
    features_device: str = "cpu",
    early_stop: int = 0,
    final_model: str = "last_step",
    tf32: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    resume_from: str | os.PathLike[str] | None = None,
    **options: Any,
) -> AdaptedClip:
    """Train ``method`` on ``data``, with the published runs' settings unless said otherwise.

    The steps are those of ``train.py``: with the same settings the weights are the same, bit for
    bit on a CPU. A method that is fitted to features at once (a linear probe, TextGDA) has no
    epochs, and takes no notice of settings of steps. Python's, numpy's and torch's generators are
    afterwards as they were before.

    Args:
        method: one of :func:`softcpt.list_methods`.
        clip: the frozen model; towers run in its precision and on its device.
        data: what :func:`softcpt.load_data` gives, or takes (all of its images are then used); or
            features at hand, :class:`softcpt.FeatureData`.
        epochs: passes over the training images.
        steps: as many at least, in whole epochs, in place of ``epochs``; 0: ``epochs`` count.
        steps_per_shot: the same, for each image of a class.
        lr: learning rate after the warm-up.
        batch_size: images of a step.
        seed: of the start, the order of images, and views.
        optimizer: "sgd", "adam", "adamw", "amsgrad", "radam" or "rmsprop".
        weight_decay: of the optimiser.
        momentum: of sgd and rmsprop.
        schedule: "cosine" to 0 over the epochs, or "single_step": none.
        warmup_epochs: at ``warmup_lr``, in front of the schedule.
        warmup_lr: learning rate of the warm-up.
        sampler: "RandomSampler", or "TaskBalanced": every batch has the tasks in ``task_shares``
            (:class:`softcpt.engine.task_sampler.TaskBalancedSampler`); with images also
            Dassl's others.
        task_shares: a number for each task, or {name: number} for some, the others having 1; none:
            equal shares.
        drop_last: leave a last batch that is not full out of an epoch.
        transforms: of training images, by Dassl's names.
        crop_scale: smallest and largest share of an image that a random crop keeps.
        views: 0: a new augmented view of every image in every epoch; K: the same K in turn, so
            that each image is encoded K times only.
        workers: processes that decode images; 0: this one; None: one fewer than cores, 1 to 8.
        bank: folder of the feature bank; "": the user's cache.
        loss_shares: how tasks count in the loss (docs/balance.md): "images": by their images in
            the batch; "tasks": all alike.
        task_weights: what each task's loss is multiplied by: a number for each task in order, or
            {task name: number} for some.
        task_weighting: "none"; "running_mean": each task's loss over its running mean;
            "uncertainty": by a trained variance of each task.
        mean_factor: what the running mean keeps of itself in a step.
        task_gradients: "sum"; "pcgrad": without what conflicts between tasks.
        graph: "auto": on a GPU steps are captured, and done again with one launch each
            (docs/performance.md); "off".
        features_device: where the features are that are trained on: "cpu"; "auto": on the GPU if
            they fit into a quarter of its free memory; "cuda": there.
        early_stop: end after so many epochs in a row without a better figure on validation images;
            0: never.
        final_model: "last_step", or "best_val": the epoch that is best on validation images.
        tf32: let an NVIDIA GPU round the factors of fp32 products to 10 bits. Torch's flags are
            afterwards as they were before.
        callbacks: each is called with an :class:`EpochEnd` after every epoch.
        progress: show progress bars.
        folder: keep there, after every epoch or nearly, what a continuation needs.
        resume_from: the ``folder`` of a fit that was stopped: it goes on from there, bit for bit,
            and keeps its state there. Settings and data must be the same.
        options: of the method, as :func:`softcpt.build_method` takes them.

    Returns:
        The trained method with its CLIP: it predicts, is measured, saved and exported.

    Raises:
        UserError: a method, option or setting is unknown or out of its range, or has no meaning
            for the method; there are no training images, or no validation images to choose an
            epoch by; the loss or a parameter is not finite; or ``resume_from`` holds
            another run.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> features = torch.randn(8, clip.embed_dim)
        >>> data = softcpt.FeatureData(tasks, features, torch.arange(8) % 2)
        >>> fitted = softcpt.fit("CoOp", clip, data, epochs=2, n_ctx=4, progress=False)
        >>> fitted.method.class_embeddings().shape
        torch.Size([2, 256])
        >>> len(fitted.record.curve)
        2
    """
    if method not in METHODS:
        raise UserError(f"method '{method}': unknown; {near_and_all(method, METHODS)}")
    settings = FitSettings(
        epochs=epochs,
        steps=steps,
        steps_per_shot=steps_per_shot,
        lr=lr,
        batch_size=batch_size,
        seed=seed,
        optimizer=optimizer,
        weight_decay=weight_decay,
        momentum=momentum,
        schedule=schedule,
        warmup_epochs=warmup_epochs,
        warmup_lr=warmup_lr,
        sampler=sampler,
        task_shares=_as_entries(task_shares),
        drop_last=drop_last,
        transforms=tuple(transforms),
        crop_scale=crop_scale,
        views=views,
        workers=default_workers() if workers is None else workers,
        bank=os.fspath(bank),
        loss_shares=loss_shares,
        task_weights=_as_entries(task_weights),
        task_weighting=task_weighting,
        mean_factor=mean_factor,
        task_gradients=task_gradients,
        graph=graph,
        features_device=features_device,
        early_stop=early_stop,
        final_model=final_model,
        tf32=tf32,
    )
    cfg = settings.to_cfg(clip, getattr(data, "root", ""))
    source = source_of(data, cfg, clip, METHODS[method][0], progress)
    with generators_kept(), tf32_is(tf32):
        fitting = _Fit(method, clip, source, cfg, options)
        if isinstance(fitting.learner.method, FeatureClassifier):
            selected = source.fit(fitting.learner.method, fitting.learner.watch)
            return fitting.adapted(selected)
        return fitting.adapted(fitting.run(callbacks, progress, folder, resume_from))


def _as_entries(weights: Sequence[float] | Mapping[str, float]) -> tuple[Any, ...]:
    """As the configuration has them."""
    if isinstance(weights, Mapping):
        return tuple(f"{name}={weight}" for name, weight in weights.items())
    return tuple(weights)


class _Fit:
    """One call of :func:`fit`: its learner, and the loop over epochs."""

    def __init__(
        self, name: str, clip: Clip, source: Source, cfg: CfgNode, options: dict[str, Any]
    ) -> None:
        self.cfg, self.source = cfg, source
        self.data_digest = source.digest()  # once: it reads all features, or all paths
        seed_everything(cfg.SEED)
        method = build_method(name, clip, source.tasks, **options)
        self.name = variant_name(name, asdict(method.options))
        self.options = asdict(method.options)
        optimiser = schedule = None
        self.batches = None
        balancing = BalanceSettings.of(cfg)
        balance = TaskBalance(balancing, method) if balancing.asked else None
        if any(True for _ in method.parameters()):
            self.batches = source.batches()
            self.cfg = with_epochs_of(cfg, self.batches, source.tasks.num_classes)
            optimiser, schedule = optimiser_and_schedule(method, balance, self.cfg)
        self.learner = Learner(
            method,
            optimiser,
            schedule,
            seed=cfg.SEED,
            balance=balance,
            graph=cfg.OPTIM.GRAPH,
        )
        self.choice: EpochChoice | None = None
        if optimiser is not None and EpochChoice.asked(cfg):
            self.choice = EpochChoice(cfg, self.learner, source.validation())

    def run(
        self,
        callbacks: Sequence[Callback],
        progress: bool,
        folder: str | os.PathLike[str] | None,
        resume_from: str | os.PathLike[str] | None,
    ) -> dict[str, Any] | None:
        """Train the epochs that are left; returns what was chosen on validation images."""
        learner, epochs, batches = self.learner, self.cfg.OPTIM.MAX_EPOCH, self.batches
        if batches is None:
            return None  # zero-shot
        batches.print_left_out()
        first = self._resumed(Path(resume_from)) if resume_from is not None else 0
        kept = resume_from if folder is None else folder
        started, saving = time.perf_counter(), Paced()
        if self.choice is not None and self.choice.stop.stops:
            first = epochs  # it was stopped before
        with tqdm(
            range(first, epochs), "epochs", disable=not progress, initial=first, total=epochs
        ) as bar:
            for epoch in bar:
                learner.begin_epoch(epoch, batches)
                for batch in batches:
                    learner.step(batch)
                rate = learner.rate
                loss = learner.end_epoch()
                learner.update_rate()
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                stopped = self.choice is not None and self.choice.after_epoch(epoch + 1, epochs)
                if callbacks:
                    end = EpochEnd(
                        epoch + 1, epochs, loss, rate, time.perf_counter() - started, self.adapted()
                    )
                    for callback in callbacks:
                        callback(end)
                    stopped |= end.stopped
                if kept is not None:
                    last = stopped or epoch + 1 == epochs
                    saving(partial(self._keep, Path(kept), epoch + 1), always=last)
                if stopped:
                    break
        return None if self.choice is None else self.choice.finish()

    # -- continuation ------------------------------------------------------------------------------

    @cached_property
    def _identity(self) -> RunIdentity:
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.TRAINER.NAME = self.name
        node = config.node_name(self.name)
        for key, option in config.option_keys(type(self.learner.method.options)).items():
            cfg.TRAINER[node][key] = self.options[option]
        cfg.TRAINER[node].PREC = self.learner.method.clip.precision
        cfg.MODEL.BACKBONE.NAME = self.learner.method.clip.name
        data = data_digest(self.source.tasks, self.data_digest)
        return RunIdentity(cfg, cfg.TEST.FINAL_MODEL, data, None)

    def _keep(self, folder: Path, done: int) -> None:
        tensors, facts = self.learner.state()
        header = self._identity.header() | {**facts, "epoch": done, "best": None}
        if self.choice is not None:
            chosen, known = self.choice.state()
            tensors, header = tensors | chosen, header | known
        checkpoint.save_tensors(checkpoint.resume_file(folder), tensors, header)

    def _resumed(self, folder: Path) -> int:
        """Epochs that the fit in ``folder`` has done; it goes on from there."""
        found = find_run(str(folder), required=True)
        assert found is not None  # required
        tensors, header = found
        self._identity.refuse_another(str(folder), header)
        done = int(header["epoch"])
        place = checkpoint.resume_file(folder)
        self.learner.load_state(tensors, header, done, place)
        if self.choice is not None:
            self.choice.load(tensors, header, place)
        return done

    # -- result ------------------------------------------------------------------------------------

    def adapted(self, selected: dict[str, Any] | None = None) -> AdaptedClip:
        """The method as it is now, with what is known of its training."""
        method, cfg = self.learner.method, self.cfg
        known = {
            "tasks": list(self.source.tasks.names),
            "split": None,  # nothing is tested here
            "test_images": None,
            "epochs": epochs_given(cfg),
            "train_images": self.data_digest,
            **machine_facts(method.clip),
        }
        record = Record(
            selected=selected,
            curve=list(self.learner.curve),
            balance=None if self.learner.balance is None else self.learner.balance.described(),
            early_stop=None if self.choice is None else self.choice.described(),
            settings=shared_values(cfg, known),
            data={"seed": cfg.SEED, "images": self.source.counts()},
            parameters=sum(p.numel() for p in method.parameters()),
            seconds=self.learner.watch.seconds(),
            versions=versions(),
        )
        return AdaptedClip(method, self.name, record)
