"""What the trainers of all methods share: data, towers, the training step, tests, and exact
continuation.

A method's trainer is a registered subclass that names its prompter. From a step to the loss:
``forward_backward`` -> ``Prompter.loss`` -> ``TaskSet.restrict``.

Every epoch seeds the generators from (run's seed, epoch). So a run that was killed continues bit
for bit, and all methods of a comparison see the same batches of the same views.
"""

from __future__ import annotations

import logging
import functools
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from softcpt import dassl, selection
from softcpt.artefacts import checkpoint
from softcpt.engine import config
from softcpt.prompters import contexts_from_names
from softcpt.utils import parallel
from softcpt.utils.console import show_messages

dassl.activate()
from dassl.data.datasets import build_dataset
from dassl.data.samplers import build_sampler
from dassl.data.transforms import build_transform
from dassl.engine import TrainerX
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import count_num_param, set_random_seed

from softcpt.clip.model import load_clip
from softcpt.engine.batches import Batches, FeatureBatches, ImageBatches
from softcpt.errors import UserError
from softcpt.engine.evaluator import ClassificationMT
from softcpt.features.bank import FeatureBank
from softcpt.metrics import Tally, TaskResult
from softcpt.prompters import METHODS, Prompter, build_prompter, variant_name
from softcpt.artefacts.published_checkpoints import is_reference, read_reference
from softcpt.engine.results import Run, write_results
from softcpt.utils.stopwatch import Stopwatch
from softcpt.tasks import Task, TaskSet
from softcpt.utils.process_cache import cached

_log = logging.getLogger(__name__)

# Transforms that draw nothing: with these alone every view is the same.
FIXED_TRANSFORMS = {"normalize", "instance_norm", "center_crop"}


class PromptTrainer(TrainerX):
    """Trains (or only tests) one prompter on all tasks of a data set.

    Attributes:
        method: name for :func:`softcpt.build_prompter`.
        prompter: the method's prompter, registered as "prompt_learner".
        tasks: the data set's tasks; a data set without ``tasks`` is one task.
        learns: whether there is something to train, and to load for a test.
        by_steps: whether an optimiser trains it, epoch by epoch.
        results: by split and method the figures of every task.
        loaded: the prompt that :meth:`load_model` read: its file and epoch.
        source: the same of the prompt that training started from, and a hash of what it gave.
        selected: what was chosen on which images for the prompt at hand; None: nothing
            (docs/results.md).
        given_cfg: the settings as they were given. ``cfg`` differs where validation images are
            missing, see :func:`softcpt.selection.settled`.
    """

    method = ""
    learns = True
    by_steps = True

    def check_cfg(self, cfg: Any) -> None:
        """Refuse settings that do not fit; called first by Dassl."""
        show_messages()  # Dassl's loop prints, and so does what it calls here
        if cfg.FEATURES.MODE not in ("bank", "online"):
            raise UserError(f"FEATURES.MODE is '{cfg.FEATURES.MODE}': choose bank or online")
        if not set(_named_splits(cfg)) <= {"val", "test"} or not _named_splits(cfg):
            raise UserError(
                f"TEST.SPLIT is '{cfg.TEST.SPLIT}': choose test, val, or val,test for both"
            )
        selection.check_final_model(cfg)
        if self.method:  # by its variant's name, that results of two do not pass for one method's
            self.method = variant_name(self.method, config.method_options(cfg, self.method))
        self.watch = Stopwatch()
        self.curve: list[dict[str, float]] = []
        self.results: dict[str, dict[str, list[TaskResult]]] = {}
        self.loaded: dict[str, Any] | None = None
        self.source: dict[str, Any] | None = None
        self.selected: dict[str, Any] | None = None
        self._step_losses: list[float] = []
        self._last_save = (time.monotonic(), 0.0)

    # -- data --------------------------------------------------------------------------------------

    def build_data_loader(self) -> None:
        """The data set's batches, as features from the bank or as images."""
        cfg = self.cfg
        self.dataset = dataset = build_dataset(cfg)
        # Dassl's hooks ask self.cfg for FINAL_MODEL, and a folder's settings are those that were
        # given.
        self.given_cfg = cfg
        self.cfg = selection.settled(
            cfg, dataset.val, dataset.test, tell=self.learns and self.by_steps
        )
        tasks = getattr(dataset, "tasks", None) or TaskSet(
            [Task(cfg.DATASET.NAME, dataset.classnames)]
        )
        self.tasks = (
            tasks.described(cfg.DATASET.TASK_DESCRIPTION) if cfg.DATASET.TASK_DESCRIPTION else tasks
        )
        model = (cfg.MODEL.BACKBONE.NAME or "tiny", self._precision(), self.device)
        self.clip = cached("clip", model, lambda: load_clip(*model), most=2)
        if tuple(cfg.INPUT.SIZE) != (self.clip.image_size,) * 2:
            raise UserError(
                f"INPUT.SIZE is {tuple(cfg.INPUT.SIZE)}: {self.clip.name} takes images of "
                f"{self.clip.image_size} x {self.clip.image_size}; use its config file"
            )
        prompter = METHODS[self.method][0]
        self.prompts_images = prompter.prompts_images
        if self.prompts_images and cfg.FEATURES.MODE == "bank":
            _log.info(
                f"{self.method} prompts the image tower: images are encoded at every step, for "
                "zero-shot alone from the "
                "feature bank"
            )
        kind = "spatial" if prompter.local_features else "global"
        kind = "unprojected" if prompter.unprojected else kind
        self.bank = FeatureBank(
            cfg.FEATURES.FOLDER or None,
            self.clip,
            kind=kind,
            seed=cfg.SEED,
            on_error=cfg.FEATURES.ON_ERROR,
            workers=None if cfg.DATALOADER.NUM_WORKERS < 0 else cfg.DATALOADER.NUM_WORKERS,
        )
        self.train_loader_x = self._batches(dataset.train_x, train=True)
        self.train_loader_u = None
        self.val_loader = self._batches(dataset.val, train=False) if dataset.val else None
        self.test_loader = self._batches(dataset.test, train=False)
        self.num_classes, self.num_source_domains = self.tasks.num_classes, len(self.tasks)
        self.lab2cname = dict(enumerate(self.tasks.class_names))

    def _precision(self) -> str:
        return self.cfg.TRAINER[config.node_name(self.method)].PREC

    def _batches(self, items: list, train: bool, prompts_images: bool | None = None) -> Batches:
        """``items`` as features from the bank, or as images, which a method that prompts the image
        tower needs."""
        cfg = self.cfg
        prompts_images = self.prompts_images if prompts_images is None else prompts_images
        settings = cfg.DATALOADER.TRAIN_X if train else cfg.DATALOADER.TEST
        sampler = build_sampler(
            settings.SAMPLER,
            cfg=cfg,
            data_source=items,
            batch_size=settings.BATCH_SIZE,
            n_domain=cfg.DATALOADER.TRAIN_X.N_DOMAIN,
            n_ins=cfg.DATALOADER.TRAIN_X.N_INS,
        )
        transform = build_transform(cfg, is_train=train)
        drop_last = train and len(items) >= settings.BATCH_SIZE
        views = self._views() if train else None
        if cfg.FEATURES.MODE == "bank" and not prompts_images:
            return FeatureBatches(
                items,
                sampler,
                settings.BATCH_SIZE,
                drop_last,
                views,
                bank=self.bank,
                transform=transform,
                root=cfg.DATASET.ROOT,
            )
        return ImageBatches(
            items,
            sampler,
            settings.BATCH_SIZE,
            drop_last,
            views,
            transform=transform,
            seed=cfg.SEED,
            workers=cfg.DATALOADER.NUM_WORKERS,
        )

    def _views(self) -> Callable[[int], int] | None:
        """The view of an epoch: one of its own, one of K in turn, or none where nothing is
        drawn."""
        if set(self.cfg.INPUT.TRANSFORMS) <= FIXED_TRANSFORMS:
            return None
        count = self.cfg.FEATURES.VIEWS
        return (lambda epoch: epoch % count) if count else (lambda epoch: epoch)

    # -- model -------------------------------------------------------------------------------------

    def method_options(self) -> dict[str, Any]:
        """Keyword options of ``build_prompter``."""
        return config.method_options(self.cfg, self.method)

    def build_model(self) -> None:
        """Prompter, optimiser and schedule."""
        cfg = self.cfg
        set_random_seed(
            cfg.SEED
        )  # the start does not depend on what was drawn while the data was read
        self.prompter = build_prompter(self.method, self.clip, self.tasks, **self.method_options())
        self.optim = self.sched = None
        if self.by_steps and any(True for _ in self.prompter.parameters()):
            self.optim = build_optimizer(self.prompter, cfg.OPTIM)
            self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.repeats = self.prompter.reference_steps if cfg.OPTIM.REFERENCE_SCHEDULE else 1
        amp_on_gpu = self.clip.precision == "amp" and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp_on_gpu)
        self.register_model("prompt_learner", self.prompter, self.optim, self.sched)
        _log.info(
            f"{self.method} on {self.clip.name} ({self.clip.precision}, {self.device}): "
            f"{len(self.tasks)} task(s), "
            f"{self.num_classes} classes, {count_num_param(self.prompter):,} trainable parameters"
        )

    def encode(self, batch: Mapping[str, Any], prompter: Prompter | None = None) -> Tensor:
        """Normalised image features of a batch as ``prompter`` (the trained one) takes them: (B,
        D), or (B, 1 + M, D)."""
        prompter = prompter or self.prompter
        with self.watch.section("image"):
            if "images" in batch:
                frozen = type(prompter).encode_image is Prompter.encode_image
                encode = (
                    functools.partial(parallel.encode_rows, prompter.encode_image)
                    if frozen
                    else prompter.encode_image
                )
                return encode(batch["images"].to(self.device))
            features = batch["features"].to(self.device)
            if features.dim() > 2 and not prompter.local_features:
                features = features[:, 0]
            if self.bank.kind == "unprojected" and not prompter.unprojected:
                features = self.clip.project(features)
            return prompter.image_features(features)

    def forward_backward(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """One training step."""
        features, labels = self.encode(batch), batch["label"].to(self.device)
        with self.watch.section("text"):
            loss, accuracy = self.prompter.loss(features, labels)
            self.model_zero_grad()
            self.detect_anomaly(loss)
        with self.watch.section(
            "image" if self.prompts_images else "text"
        ):  # where most of the backward pass is
            self.scaler.scale(loss).backward()
            for _ in range(1 if self.clip.precision == "amp" else self.repeats):
                self.scaler.step(self.optim)
            self.scaler.update()
        self._step_losses.append(loss.item())
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": accuracy.item()}

    def update_lr(self, names: str | list[str] | None = None) -> None:
        """Step the schedule at an epoch's end; with ``OPTIM.REFERENCE_SCHEDULE`` as often as the
        published code does.

        That code registers one optimiser and one schedule under several names and steps them under
        each: the optimiser takes k steps per batch with the same gradient (one under amp), the
        schedule k per epoch.
        """
        for _ in range(self.repeats):
            super().update_lr(names)

    def detect_anomaly(self, loss: Tensor) -> None:
        """A loss that is not finite ends the run with what to do about it."""
        if not torch.isfinite(loss):
            raise UserError(
                f"loss is {loss.item()} in epoch {self.epoch + 1} at precision "
                f"{self.clip.precision}; "
                "lower OPTIM.LR, or use PREC fp32, bf16 or amp"
            )

    # -- training ----------------------------------------------------------------------------------

    def init_writer(self, log_dir: str) -> None:
        """Open a tensorboard writer, in the first process."""
        if parallel.is_main():
            super().init_writer(log_dir)

    def before_epoch(self) -> None:
        """Seed from (seed, epoch) and open the epoch's view."""
        digest = hashlib.sha256(f"{self.cfg.SEED} {self.epoch}".encode()).digest()
        set_random_seed(int.from_bytes(digest[:4], "big"))
        parallel.agree(self.prompter)
        self.train_loader_x.epoch = self.epoch
        self._open(self.train_loader_x)

    def _open(self, loader: Batches) -> None:
        """Have features from the bank at hand, as part of the images' time."""
        if isinstance(loader, FeatureBatches):
            with self.watch.section("image"):
                loader.features()

    def after_epoch(self) -> None:
        """Validate and save as configured, then keep what an exact continuation needs."""
        losses, self._step_losses = self._step_losses, []
        self.curve.append({"epoch": self.epoch + 1, "loss": sum(losses) / len(losses)})
        super().after_epoch()
        # A long save of a large prompt after every short epoch would be felt: spend at most a
        # twentieth on it.
        saved, duration = self._last_save
        start = time.monotonic()
        if self.epoch + 1 == self.max_epoch or start - saved >= 20 * duration:
            self._save_run(self.epoch + 1)
            self._last_save = (time.monotonic(), time.monotonic() - start)

    def _save_run(self, done: int) -> None:
        """Keep what a continuation after ``done`` epochs needs."""
        header = {
            "epoch": done,
            "seconds": self.watch.seconds(),
            "curve": self.curve,
            "best": self.best_result if self.best_result > float("-inf") else None,
            "config": self.given_cfg.dump(),
            "data": self._data_digest(),
            "source": self.source,
            "selected": self.selected,
        }
        if parallel.is_main():
            checkpoint.save_run(self.output_dir, self.prompter, self.optim, header)

    def after_train(self) -> None:
        """Test, then write results.json and print the table."""
        _log.info(
            "Finished training"
        )  # SoftCPT's result parser waits for this line, Dassl's for "Finish training"
        super().after_train()
        if not self.cfg.TEST.NO_TEST:
            self.report(trained=True)

    def report(self, trained: bool) -> None:
        """Zero-shot beside what was reached, as a table and as results.json; ``trained``: by this
        very run."""
        for split in self.splits:
            if "ZeroShot" not in self.results[split]:
                self.results[split] = {"ZeroShot": self._zero_shot(split), **self.results[split]}
        if parallel.is_main():
            write_results(Run.of(self, trained), self.output_dir)

    # -- tests -------------------------------------------------------------------------------------

    @property
    def splits(self) -> list[str]:
        """What TEST.SPLIT names, the last being the one that counts; "val" without validation
        images is test."""
        return list(dict.fromkeys(self._split(name)[0] for name in _named_splits(self.cfg)))

    def test(self, split: str | None = None) -> float:
        """Test on ``split``, or on all of :attr:`splits`; returns the (last) overall metric."""
        return parallel.from_main(
            [self._test_on(name) for name in ([split] if split else self.splits)][-1]
        )

    @torch.no_grad()
    def _test_on(self, split: str) -> float:
        self.set_model_mode("eval")
        split, loader = self._split(split)
        _log.info(f"testing on {split}")
        if self.cfg.TEST.EVALUATOR in ("Classification", "ClassificationMT"):
            self.evaluator = ClassificationMT(self.cfg, tasks=self.tasks)
        self.evaluator.reset()
        for logits, labels in self._classify(self.prompter, loader):
            self.evaluator.process(logits, labels)
        results = self.evaluator.evaluate()
        reached = self.results.setdefault(split, {})
        if isinstance(self.evaluator, ClassificationMT):
            reached[self.method] = self.evaluator.results
        for name, value in results.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return next(iter(results.values()))

    def _split(self, name: str) -> tuple[str, Batches]:
        use_val = name == "val" and self.val_loader is not None
        return ("val", self.val_loader) if use_val else ("test", self.test_loader)

    def _classify(self, prompter: Prompter, loader: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits (B, C), right for each image's own task, and labels of every batch; classes are
        encoded once."""
        with self.watch.section("text"):
            classify = prompter.own_classifier()
        self._open(loader)
        for batch in loader:
            labels = batch["label"]
            yield (
                classify(self.encode(batch, prompter), self.tasks.owners(labels)),
                labels.to(self.device),
            )

    @torch.no_grad()
    def _zero_shot(self, split: str) -> list[TaskResult]:
        """What the frozen model reaches with hand-written prompts."""
        loader = self._split(split)[1]
        if self.prompts_images:
            loader = self._batches(loader.items, train=False, prompts_images=False)
        pairs = self._classify(build_prompter("ZeroShot", self.clip, self.tasks), loader)
        tally = Tally(self.tasks)
        for logits, labels in pairs:
            tally.add(logits, labels)
        return tally.results()

    # -- disk --------------------------------------------------------------------------------------

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Write the prompt of an epoch (0-based), or the best one, as safetensors."""
        best = is_best or model_name.startswith("model-best")
        path = checkpoint.prompt_file(directory, None if best else epoch + 1)
        header = {
            "method": self.method,
            "backbone": self.clip.name,
            "fingerprint": self.clip.fingerprint,
            "tasks": list(self.tasks.names),
            "classes": [list(task.class_names) for task in self.tasks],
            "options": asdict(self.prompter.options),
            "epoch": epoch + 1,
            "val_result": val_result,
            "selected": selection.of_epoch(epoch + 1, "val") if best else self.selected,
        }
        if parallel.is_main():
            checkpoint.save_tensors(path, self.prompter.reference_state(), header)
        parallel.from_main(None)  # who loads it next finds it
        _log.info(f"saved {path}")

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load the prompt of ``epoch`` (1-based); None: the best on validation if there is one,
        else the last.

        It may have been trained on other tasks or classes, where its method can serve these
        (softcpt/prompters/task_matching.py). ``directory`` may also hold checkpoints that a
        published code wrote (softcpt/artefacts/published_checkpoints.py).

        Raises:
            UserError: there is no such prompt, it is of another method or backbone, or it has
                nothing for one of the tasks or classes.
        """
        if not self.learns:
            return
        if not directory:
            raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
        if is_reference(directory):
            found = read_reference(directory, epoch)
            self.prompter.load_reference_state(found.tensors)
            self.loaded = {"prompt": directory, "epoch": found.epoch}
            self.selected = selection.of_epoch(found.epoch) if found.best else None
            _log.info(
                f"loaded {directory} (epoch={found.epoch}); its files do not say for which "
                "backbone and classes they are"
            )
            return
        path = checkpoint.find_prompt(directory, epoch)
        state, header = checkpoint.load_tensors(path)
        if header["fingerprint"] != self.clip.fingerprint:
            raise UserError(
                f"checkpoint {path}: trained on {header['backbone']}, and this is {self.clip.name} "
                "(or other weights of that name); use its config file and weights"
            )
        trained = contexts_from_names.trained_tasks(header)
        if contexts_from_names.makes_contexts(header, self.prompter):
            contexts_from_names.start_from_names(self.prompter, state, header)
        else:
            self.prompter.load_reference_state(state, trained)
        self.loaded, self.selected = (
            {"prompt": str(path), "epoch": header["epoch"]},
            selection.of_prompt(header),
        )
        _log.info(
            f"loaded {path} (epoch={header['epoch']}, val_result={header['val_result']}), trained "
            f"on {len(trained)} "
            f"task(s), {trained.num_classes} classes"
        )

    def start_from(self, directory: str, epoch: int | None = None) -> None:
        """Train on from a prompt that :meth:`load_model` can load; of SoftCPT, from the contexts
        that it makes.

        That is MVLPT's adaptation of a source prompt to a target task, or to a group of them.
        """
        self.load_model(directory, epoch)
        if self.loaded:
            self.source = self.loaded | {
                "digest": checkpoint.digest(self.prompter.reference_state())
            }
            self.loaded = self.selected = None

    def _data_digest(self) -> str:
        """A hash of classes and training images: a run continues on the data it began with."""
        tasks = [(task.name, task.class_names, task.description) for task in self.tasks]
        return _sha256((tasks, self.images_digest(self.dataset.train_x)))

    def images_digest(self, items: list) -> str:
        """A hash of the items' paths below the data root and their labels, in their order."""
        root = self.cfg.DATASET.ROOT or getattr(self.dataset, "dataset_dir", "") or "/"
        return _sha256([(os.path.relpath(item.impath, root), item.label) for item in items])

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue a run that was stopped; returns the epochs done. Settings must be those of that
        run."""
        path = f"{directory}/{checkpoint.RESUME_FILE}"
        try:
            _, header = checkpoint.load_tensors(path)
        except UserError:
            if self.cfg.RESUME:
                raise
            return 0
        theirs = config.run_settings(self.cfg.load_cfg(header["config"]))
        changed = config.differences(config.run_settings(self.given_cfg), theirs)
        if changed:
            raise UserError(
                f"{directory}: it holds a run with other settings ({'; '.join(changed[:3])}); "
                "choose another "
                "--output-dir, or delete the folder"
            )
        if header["data"] != self._data_digest():
            raise UserError(
                f"{directory}: it holds a run on other images or classes; choose another "
                "--output-dir, or "
                "delete the folder"
            )
        if _digest(header.get("source")) != _digest(self.source):
            raise UserError(
                f"{directory}: it holds a run that started from another prompt; give its "
                "--model-dir, choose "
                "another --output-dir, or delete the folder"
            )
        if header["best"] is not None and self.cfg.TEST.FINAL_MODEL != "best_val":
            raise UserError(
                f"{directory}: it holds a run of an older version, which chose its epoch on test "
                "images; choose "
                "another --output-dir, or delete the folder"
            )
        checkpoint.load_run(directory, self.prompter, self.optim)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(
                header["epoch"] * self.repeats if self.sched else 0
            ):  # a function of the epoch: replayed
                self.sched.step()
        self.watch, self.curve = Stopwatch(header["seconds"]), header["curve"]
        self.selected = header.get("selected")
        if header["best"] is not None:
            self.best_result = header["best"]
        _log.info(f"resuming from {directory} after epoch {header['epoch']}")
        return header["epoch"]


def _sha256(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _named_splits(cfg: Any) -> list[str]:
    return cfg.TEST.SPLIT.replace(",", " ").split()


def _digest(source: Mapping[str, Any] | None) -> str | None:
    return source and source["digest"]
