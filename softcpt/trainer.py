"""What the trainers of all methods share: data, towers, the training step, tests, and exact continuation.

A method's trainer is a registered subclass that names its prompter. From a step to the loss: ``forward_backward`` ->
``Prompter.loss`` -> ``TaskSet.restrict``.

Every epoch seeds the generators from (run's seed, epoch). So a run that was killed continues bit for bit, and all
methods of a comparison see the same batches of the same views.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt import checkpoint, config, dassl

dassl.activate()
from dassl.data.datasets import build_dataset  # noqa: E402 (an engine must be there first)
from dassl.data.samplers import build_sampler  # noqa: E402
from dassl.data.transforms import build_transform  # noqa: E402
from dassl.engine import TrainerX  # noqa: E402
from dassl.optim import build_lr_scheduler, build_optimizer  # noqa: E402
from dassl.utils import count_num_param, set_random_seed  # noqa: E402

from softcpt.backbone import load_clip  # noqa: E402
from softcpt.batches import Batches, FeatureBatches, ImageBatches
from softcpt.errors import UserError
from softcpt.evaluation import ClassificationMT
from softcpt.features import FeatureBank
from softcpt.metrics import TaskResult, task_results
from softcpt.prompters import Prompter, build_prompter
from softcpt.results import Run, write_results
from softcpt.stopwatch import Stopwatch
from softcpt.tasks import Task, TaskSet

# Transforms that draw nothing: with these alone every view is the same.
FIXED_TRANSFORMS = {"normalize", "instance_norm", "center_crop"}


class PromptTrainer(TrainerX):
    """Trains (or only tests) one prompter on all tasks of a data set.

    Attributes:
        method: name for :func:`softcpt.build_prompter`.
        prompter: the method's prompter, registered as "prompt_learner".
        tasks: the data set's tasks; a data set without ``tasks`` is one task.
    """

    method = ""

    def check_cfg(self, cfg: Any) -> None:
        """Refuse settings that do not fit; called first by Dassl."""
        if cfg.FEATURES.MODE not in ("bank", "online"):
            raise UserError(f"FEATURES.MODE is '{cfg.FEATURES.MODE}': choose bank or online")
        self.watch = Stopwatch()
        self.curve: list[dict[str, float]] = []
        self.results: dict[str, list[TaskResult]] = {}
        self._step_losses: list[float] = []
        self._last_save = (time.monotonic(), 0.0)

    # -- data ---------------------------------------------------------------------------------------------------------

    def build_data_loader(self) -> None:
        """The data set's batches, as features from the bank or as images."""
        cfg = self.cfg
        self.dataset = dataset = build_dataset(cfg)
        self.tasks = getattr(dataset, "tasks", None) or TaskSet([Task(cfg.DATASET.NAME, dataset.classnames)])
        self.clip = load_clip(cfg.MODEL.BACKBONE.NAME or "tiny", self._precision(), self.device)
        if tuple(cfg.INPUT.SIZE) != (self.clip.image_size,) * 2:
            raise UserError(f"INPUT.SIZE is {tuple(cfg.INPUT.SIZE)}: {self.clip.name} takes images of "
                            f"{self.clip.image_size} x {self.clip.image_size}; use its config file")
        self.bank = FeatureBank(cfg.FEATURES.FOLDER or None, self.clip, seed=cfg.SEED, on_error=cfg.FEATURES.ON_ERROR,
                                workers=None if cfg.DATALOADER.NUM_WORKERS < 0 else cfg.DATALOADER.NUM_WORKERS)
        self.train_loader_x = self._batches(dataset.train_x, train=True)
        self.train_loader_u = None
        self.val_loader = self._batches(dataset.val, train=False) if dataset.val else None
        self.test_loader = self._batches(dataset.test, train=False)
        self.num_classes, self.num_source_domains = self.tasks.num_classes, len(self.tasks)
        self.lab2cname = dict(enumerate(self.tasks.class_names))

    def _precision(self) -> str:
        return self.cfg.TRAINER[config.node_name(self.method)].PREC

    def _batches(self, items: list, train: bool) -> Batches:
        cfg = self.cfg
        settings = cfg.DATALOADER.TRAIN_X if train else cfg.DATALOADER.TEST
        sampler = build_sampler(settings.SAMPLER, cfg=cfg, data_source=items, batch_size=settings.BATCH_SIZE,
                                n_domain=cfg.DATALOADER.TRAIN_X.N_DOMAIN, n_ins=cfg.DATALOADER.TRAIN_X.N_INS)
        transform = build_transform(cfg, is_train=train)
        drop_last = train and len(items) >= settings.BATCH_SIZE
        views = self._views() if train else None
        if cfg.FEATURES.MODE == "bank":
            return FeatureBatches(items, sampler, settings.BATCH_SIZE, drop_last, views, bank=self.bank,
                                  transform=transform, root=cfg.DATASET.ROOT)
        return ImageBatches(items, sampler, settings.BATCH_SIZE, drop_last, views, transform=transform, seed=cfg.SEED,
                            workers=cfg.DATALOADER.NUM_WORKERS)

    def _views(self) -> Callable[[int], int] | None:
        """The view of an epoch: one of its own, one of K in turn, or none where nothing is drawn."""
        if set(self.cfg.INPUT.TRANSFORMS) <= FIXED_TRANSFORMS:
            return None
        count = self.cfg.FEATURES.VIEWS
        return (lambda epoch: epoch % count) if count else (lambda epoch: epoch)

    # -- model --------------------------------------------------------------------------------------------------------

    def build_model(self) -> None:
        """Prompter, optimiser and schedule."""
        cfg = self.cfg
        set_random_seed(cfg.SEED)  # the start does not depend on what was drawn while the data was read
        self.prompter = build_prompter(self.method, self.clip, self.tasks, **config.method_options(cfg, self.method))
        self.optim = self.sched = None
        if any(True for _ in self.prompter.parameters()):
            self.optim = build_optimizer(self.prompter, cfg.OPTIM)
            self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        amp_on_gpu = self.clip.precision == "amp" and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp_on_gpu)
        self.register_model("prompt_learner", self.prompter, self.optim, self.sched)
        print(f"{self.method} on {self.clip.name} ({self.clip.precision}, {self.device}): {len(self.tasks)} task(s), "
              f"{self.num_classes} classes, {count_num_param(self.prompter):,} trainable parameters")

    def encode(self, batch: Mapping[str, Any]) -> Tensor:
        """(B, D) normalised image features of a batch."""
        with self.watch.section("image"):
            if "features" in batch:
                return F.normalize(batch["features"].to(self.device), dim=-1)
            return self.prompter.encode_image(batch["images"].to(self.device))

    def forward_backward(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """One training step."""
        features, labels = self.encode(batch), batch["label"].to(self.device)
        with self.watch.section("text"):
            loss, accuracy = self.prompter.loss(features, labels)
            self.model_zero_grad()
            self.detect_anomaly(loss)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optim)
            self.scaler.update()
        self._step_losses.append(loss.item())
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": accuracy.item()}

    def detect_anomaly(self, loss: Tensor) -> None:
        """A loss that is not finite ends the run with what to do about it."""
        if not torch.isfinite(loss):
            raise UserError(f"loss is {loss.item()} in epoch {self.epoch + 1} at precision {self.clip.precision}; "
                            "lower OPTIM.LR, or use PREC fp32, bf16 or amp")

    # -- training -----------------------------------------------------------------------------------------------------

    def before_epoch(self) -> None:
        """Seed from (seed, epoch) and open the epoch's view."""
        digest = hashlib.sha256(f"{self.cfg.SEED} {self.epoch}".encode()).digest()
        set_random_seed(int.from_bytes(digest[:4], "big"))
        self.train_loader_x.epoch = self.epoch
        if isinstance(self.train_loader_x, FeatureBatches):
            with self.watch.section("image"):
                self.train_loader_x.features()

    def after_epoch(self) -> None:
        """Validate and save as configured, then keep what an exact continuation needs."""
        losses, self._step_losses = self._step_losses, []
        self.curve.append({"epoch": self.epoch + 1, "loss": sum(losses) / len(losses)})
        super().after_epoch()
        # A long save of a large prompt after every short epoch would be felt: spend at most a twentieth on it.
        saved, duration = self._last_save
        start = time.monotonic()
        if self.epoch + 1 == self.max_epoch or start - saved >= 20 * duration:
            header = {"epoch": self.epoch + 1, "seconds": self.watch.seconds(), "curve": self.curve,
                      "best": self.best_result if self.best_result > float("-inf") else None, "config": self.cfg.dump(),
                      "data": self._data_digest()}
            checkpoint.save_run(self.output_dir, self.prompter, self.optim, header)
            self._last_save = (time.monotonic(), time.monotonic() - start)

    def after_train(self) -> None:
        """Test, then write results.json and print the table."""
        super().after_train()
        if not self.cfg.TEST.NO_TEST:
            self.report()

    def report(self) -> None:
        """Zero-shot beside what was reached, as a table and as results.json."""
        if "ZeroShot" not in self.results:
            self.results = {"ZeroShot": self._zero_shot(), **self.results}
        write_results(Run.of(self), self.output_dir)

    # -- tests --------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Test on ``split`` (default TEST.SPLIT; "val" without validation images: test); returns the overall metric."""
        self.set_model_mode("eval")
        split, loader = self._split(split or self.cfg.TEST.SPLIT)
        print(f"testing on {split}")
        if self.cfg.TEST.EVALUATOR in ("Classification", "ClassificationMT"):
            self.evaluator = ClassificationMT(self.cfg, tasks=self.tasks)
        self.evaluator.reset()
        for logits, labels in self._classify(self.prompter, loader):
            self.evaluator.process(logits, labels)
        results = self.evaluator.evaluate()
        if isinstance(self.evaluator, ClassificationMT):
            self.results[self.method] = self.evaluator.results
        for name, value in results.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return next(iter(results.values()))

    def _split(self, name: str) -> tuple[str, Batches]:
        use_val = name == "val" and self.val_loader is not None
        return ("val", self.val_loader) if use_val else ("test", self.test_loader)

    def _classify(self, prompter: Prompter, loader: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits (B, C) and labels (B,) of every batch; classes are encoded once."""
        with self.watch.section("text"):
            classify = prompter.classifier()
        for batch in loader:
            yield classify(self.encode(batch)), batch["label"].to(self.device)

    @torch.no_grad()
    def _zero_shot(self) -> list[TaskResult]:
        """What the frozen model reaches with hand-written prompts."""
        pairs = self._classify(build_prompter("ZeroShot", self.clip, self.tasks), self._split(self.cfg.TEST.SPLIT)[1])
        predicted, labels = zip(*((self.tasks.predict(logits, truth).cpu(), truth.cpu()) for logits, truth in pairs))
        return task_results(self.tasks, torch.cat(predicted), torch.cat(labels))

    # -- disk ---------------------------------------------------------------------------------------------------------

    def save_model(self, epoch: int, directory: str, is_best: bool = False, val_result: float | None = None,
                   model_name: str = "") -> None:
        """Write the prompt of an epoch (0-based), or the best one, as safetensors."""
        best = is_best or model_name.startswith("model-best")
        path = checkpoint.prompt_file(directory, None if best else epoch + 1)
        header = {"method": self.method, "backbone": self.clip.name, "fingerprint": self.clip.fingerprint,
                  "tasks": list(self.tasks.names), "epoch": epoch + 1, "val_result": val_result}
        checkpoint.save_tensors(path, self.prompter.reference_state(), header)
        print(f"saved {path}")

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load the prompt of ``epoch`` (1-based); None: the best on validation if there is one, else the last.

        Raises:
            UserError: there is no such prompt, or it is of another method, backbone or set of tasks.
        """
        if not directory:
            raise UserError("--eval-only: it needs --model-dir with the folder of a training run")
        path = checkpoint.find_prompt(directory, epoch)
        state, header = checkpoint.load_tensors(path)
        if header["fingerprint"] != self.clip.fingerprint:
            raise UserError(f"checkpoint {path}: trained on {header['backbone']}, and this is {self.clip.name} "
                            "(or other weights of that name); use its config file and weights")
        self.prompter.load_reference_state(state)
        print(f"loaded {path} (epoch={header['epoch']}, val_result={header['val_result']})")

    def _data_digest(self) -> str:
        """A hash of classes and training images (paths below the root): a run continues on the data it began with."""
        root = self.cfg.DATASET.ROOT or getattr(self.dataset, "dataset_dir", "") or "/"
        images = [(os.path.relpath(item.impath, root), item.label) for item in self.dataset.train_x]
        tasks = [(task.name, task.class_names) for task in self.tasks]
        return hashlib.sha256(repr((tasks, images)).encode()).hexdigest()

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue a run that was stopped; returns the epochs done. Settings must be those of that run."""
        path = f"{directory}/{checkpoint.RESUME_FILE}"
        try:
            _, header = checkpoint.load_tensors(path)
        except UserError:
            if self.cfg.RESUME:
                raise
            return 0
        changed = config.differences(_settings(self.cfg), _settings(self.cfg.load_cfg(header["config"])))
        if changed:
            raise UserError(f"{directory}: it holds a run with other settings ({'; '.join(changed[:3])}); choose another "
                            "--output-dir, or delete the folder")
        if header["data"] != self._data_digest():
            raise UserError(f"{directory}: it holds a run on other images or classes; choose another --output-dir, or "
                            "delete the folder")
        checkpoint.load_run(directory, self.prompter, self.optim)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(header["epoch"]):  # a schedule is a function of the epoch: replayed, not stored
                self.sched.step()
        self.watch, self.curve = Stopwatch(header["seconds"]), header["curve"]
        if header["best"] is not None:
            self.best_result = header["best"]
        print(f"resuming from {directory} after epoch {header['epoch']}")
        return header["epoch"]


def _settings(cfg: Any) -> dict[str, Any]:
    """What a run's numbers depend on: where files lie and how the run was started is left out."""
    free = {"OUTPUT_DIR", "RESUME", "VERBOSE"}
    settings = {key: value for key, value in cfg.items() if key not in free}
    settings["DATASET"] = {key: value for key, value in cfg.DATASET.items() if key not in ("ROOT", "DRAW_SPLIT")}
    settings["FEATURES"] = {key: value for key, value in cfg.FEATURES.items() if key != "FOLDER"}
    return settings
