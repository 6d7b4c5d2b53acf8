"""Captured steps: forward and backward pass of a step, of a kind seen before, are one launch.

A kind of step (:class:`Kind`) is all that its shapes and the host's choices follow from. The first
step of a kind is done as always. So is the second, but it is written down what the host sends in it
(softcpt/utils/step_tape.py), and then it is captured. Later ones copy features and labels to where
the graph reads them, and replay it: the same kernels on the same numbers.

The optimiser's step stays outside. It is three launches or so, given to the device while that is
still busy with the graph, and so costs no time; and no graph knows of rates, schedules, scalers and
an optimiser's state, which may change or be loaded at any time.

Of few tasks each set in a batch has a graph. Of many (:data:`MOST_TASKS_BY_SET`) hardly a set comes
again, and all steps are done with supersets of a few sizes (softcpt/utils/supersets.py), those that
are not captured too: what a step gives does not depend on the steps before it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from softcpt.engine.graphs import GRAPHS, Graph
from softcpt.prompters import TaskClassifier
from softcpt.prompters.task_matching import task_of
from softcpt.utils.seeding import generator_states, saved_generators
from softcpt.utils.sending import on_host, same_labels
from softcpt.utils.step_tape import StepTape
from softcpt.utils.supersets import AsksForTasksError, Owners, Sizes

# Each keeps its inputs and the tables of its text. All share the gradients and what is in between.
MOST_GRAPHS = 64
# A set of tasks that does not come again among so many others is not worth a graph.
MOST_SEEN = 64
# With more, a batch of 32 of ten data sets comes again in 9 of 10 steps, of 44 in none.
MOST_TASKS_BY_SET = 10
# A capture takes the host as long as a step or two, and has the device's freed memory given back.
PAYS_AFTER = 4

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_log = logging.getLogger(__name__)

T = TypeVar("T")
# Loss and accuracy, 0-dim and without a graph, and what says that a guess in it was wrong.
Results = tuple[Tensor, Tensor, Tensor | None]
# From what a batch gives to the device, the name of its kind, and labels; gradients are at the
# parameters.
Work = Callable[[Tensor, str, Tensor], Results]


class Kind(NamedTuple):
    """What steps have in common that one graph serves.

    Attributes:
        shape, dtype: of what the batch gives.
        given: what that is.
        labels: their shape.
        tasks: that the labels belong to; None: nothing depends on them, or a superset is taken.
        sizes: of supersets, how many of all that is taken.
        alone: whether each image has labels of one task.
        training: whether the method is in training mode.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    given: str
    labels: tuple[int, ...]
    tasks: tuple[int, ...] | None
    sizes: tuple[int, ...]
    alone: bool
    training: bool


class CapturedSteps:
    """Does ``work``, captured where it can be. Where it cannot, that is said once, and all steps
    are done as always.

    Args:
        work: the step, without the optimiser.
        method: that is trained, on a device of :data:`softcpt.engine.graphs.GRAPHS`.
        parameters: all that get a gradient.
        refused: why nothing can be captured; "": try.

    Attributes:
        refused: why nothing is captured; "": it is.
        captures: graphs that were made.
        replays: steps that were done with them.
    """

    def __init__(
        self,
        work: Work,
        method: TaskClassifier,
        parameters: Sequence[nn.Parameter],
        refused: str = "",
    ) -> None:
        self._work, self._method, self._parameters = work, method, list(parameters)
        self.refused = ""
        self.captures = self.replays = 0
        self._asks_for_tasks = True  # until a step was written down
        self._takes_supersets = len(method.tasks) > MOST_TASKS_BY_SET
        self._owners: tuple[Owners, ...] = ()  # of what a step took supersets
        self._learners = _parameters_of_tasks(method)
        self._seen: OrderedDict[Kind, None] = OrderedDict()
        self._kept: OrderedDict[Kind, _CapturedStep] = OrderedDict()
        self._gradients: list[Tensor] = []
        if refused:
            self._give_up(refused)
        elif not _is_capturable(type(method)):
            self._give_up(
                f"{type(method).__name__} is of other code, and not said to be capturable"
            )
        elif _hooked(method.clip.modules()):
            self._give_up("a module of the CLIP has hooks")

    def __call__(self, given: Tensor, name: str, labels: Tensor) -> Results:
        """As ``work``."""
        if not self.refused and _hooked(self._method.modules(), self._parameters):
            self._give_up("a module of the method has hooks")
        if self.refused:
            return self._work(given, name, labels)
        present = self._method.tasks.present(on_host(labels))
        if self._takes_supersets:
            put_back = None if self._owners else saved_generators(given.device)
            try:
                return self._with_superset(given, name, labels, present)
            except AsksForTasksError as error:
                if put_back is None:  # each step asks for the same
                    raise
                _log.info("OPTIM.GRAPH auto: each set of tasks has a graph of its own: %s", error)
                self._takes_supersets = False
                put_back()
        tasks = tuple(present) if self._asks_for_tasks else None
        return self._step(self._kind(given, name, labels, tasks), given, labels)

    def _with_superset(
        self, given: Tensor, name: str, labels: Tensor, present: Sequence[int]
    ) -> Results:
        """The step with a superset of the tasks ``present``."""
        sizes = Sizes(present, len(self._method.tasks))
        kind = self._kind(given, name, labels, None, tuple(map(sizes.of, self._owners)))
        with sizes.running():
            found = self._step(kind, given, labels)
        asked = tuple(sizes.asked)
        if self._owners != asked:
            self._owners = asked
            self.forget()
        # What is of tasks without an image has gradients of zero, by which its momentum would move
        # it. Where no superset was asked for, as of a joint softmax, gradients are what they are.
        without = self._learners.keys() - set(present) if asked else ()
        for parameter in chain.from_iterable(self._learners[task] for task in without):
            parameter.grad = None
        return found

    def _step(self, kind: Kind, given: Tensor, labels: Tensor) -> Results:
        """``work``, captured if the ``kind`` is, or is to be."""
        if kind in self._kept:
            self.replays += 1
            self._kept.move_to_end(kind)
            return self._kept[kind].replay(given, labels)
        if kind in self._seen and self._pays():
            return self._capture(kind, given, labels)
        _keep(self._seen, kind, None, MOST_SEEN)
        return self._work(given, kind.given, labels)

    def __len__(self) -> int:
        """Graphs that are kept."""
        return len(self._kept)

    def forget(self) -> None:
        """Drop all graphs."""
        self._seen.clear()
        self._kept.clear()

    def _pays(self) -> bool:
        """Whether graphs that were made are used so often that another may be worth its price."""
        return self.captures < MOST_GRAPHS or self.replays > PAYS_AFTER * self.captures

    def _kind(
        self,
        given: Tensor,
        name: str,
        labels: Tensor,
        tasks: tuple[int, ...] | None,
        sizes: tuple[int, ...] = (),
    ) -> Kind:
        alone = self._method.tasks.pairs(on_host(labels))[0] is None
        shapes = tuple(given.shape), given.dtype, name, tuple(labels.shape)
        return Kind(*shapes, tasks, sizes, alone, self._method.training)

    def _capture(self, kind: Kind, given: Tensor, labels: Tensor) -> Results:
        """Do a step as always, and then capture it."""
        tape, before = StepTape(), generator_states(given.device)
        with tape.recording():
            found = self._work(given, kind.given, labels)
        if generator_states(given.device) != before:
            tape.refuse("it draws random numbers")
        if tape.refused:
            self._give_up(tape.refused)
            return found
        gradients = [parameter.grad for parameter in self._parameters]
        try:
            if not self._gradients:
                self._gradients = [torch.zeros_like(parameter) for parameter in self._parameters]
            step = _CapturedStep(given, labels, list(zip(self._parameters, self._gradients)))
            step.capture(self._work, kind.given, tape, beside=next(iter(self._kept.values()), None))
        except RuntimeError as error:  # CUDA's, out of memory among them, and the tape's
            self._give_up(_first_cause(error))
        else:
            self.captures += 1
            self._seen.pop(kind)
            if kind.tasks is not None and not tape.asks_for_tasks:
                self._asks_for_tasks, kind = False, kind._replace(tasks=None)
            _keep(self._kept, kind, step, MOST_GRAPHS)
        finally:
            # Those of the step that was done: the optimiser is still to see them.
            for parameter, gradient in zip(self._parameters, gradients):
                parameter.grad = gradient
        return found

    def _give_up(self, reason: str) -> None:
        self.refused = reason
        self.forget()
        _log.info("OPTIM.GRAPH auto: steps are not captured: %s", reason)


class _CapturedStep:
    """One graph, with what it reads and writes. ``parameters``: each with the place of its
    gradient, which is that of all graphs."""

    def __init__(
        self, given: Tensor, labels: Tensor, parameters: Sequence[tuple[nn.Parameter, Tensor]]
    ) -> None:
        self.graph: Graph = GRAPHS[given.device.type](given.device)
        self.given, self.labels = given.clone(), labels.clone()
        same_labels(on_host(labels), self.labels)
        self._parameters = parameters

    def capture(self, work: Work, given: str, tape: StepTape, beside: _CapturedStep | None) -> None:
        """Capture ``work``, which ``tape`` has written down."""
        self._tape = tape  # it holds what was sent
        self.gradients: list[tuple[nn.Parameter, Tensor | None]] = []

        def captured() -> Results:
            results = work(self.given, given, self.labels)
            for parameter, place in self._parameters:
                found, parameter.grad = parameter.grad, None
                self.gradients.append((parameter, None if found is None else place.copy_(found)))
            return results

        with tape.playing():
            self.results = self.graph.capture(captured, None if beside is None else beside.graph)

    def replay(self, given: Tensor, labels: Tensor) -> Results:
        """As ``work``; the next replay overwrites results and gradients."""
        self.given.copy_(given)
        self.labels.copy_(labels)
        self.graph.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        return self.results


def _parameters_of_tasks(method: TaskClassifier) -> dict[int, list[nn.Parameter]]:
    """Of each task the parameters that are its alone."""
    found: dict[int, list[nn.Parameter]] = {}
    for name, parameter in method.named_parameters():
        task = task_of(name)
        if task is not None:
            found.setdefault(task, []).append(parameter)
    return found


def _first_cause(error: BaseException) -> str:
    """The first line of what went wrong first: ending a capture that failed fails, too."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).partition("\n")[0] or type(error).__name__


def _keep(kept: OrderedDict[Kind, T], kind: Kind, value: T, most: int) -> None:
    """Add to what is kept; what was not used for longest goes."""
    kept[kind] = value
    kept.move_to_end(kind)
    if len(kept) > most:
        kept.popitem(last=False)


def _is_capturable(method: type[TaskClassifier]) -> bool:
    """Whether a method is of this package, or says of itself, not through a parent, that it is."""
    own = method.__module__.partition(".")[0] == __name__.partition(".")[0]
    return own or bool(vars(method).get("capturable", False))


def _hooked(modules: Iterable[nn.Module], parameters: Sequence[nn.Parameter] = ()) -> bool:
    """Whether somebody watches in Python what these do: a replay calls nobody."""
    if any(getattr(module, name) for module in modules for name in _HOOKS):
        return True
    names = ("_backward_hooks", "_post_accumulate_grad_hooks")
    return any(getattr(parameter, name, None) for parameter in parameters for name in names)
