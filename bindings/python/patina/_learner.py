"""Learners that are written in Python."""

from types import SimpleNamespace
from typing import Any, Dict, Iterable, Mapping, Sequence, Tuple, Type, TypeVar, Union

import torch

from . import _core
from ._options import as_json


class Learner:
    """A continual-learning method.

        @patina.register
        class Centroids(patina.Learner):
            name = "centroids"
            ...

    After that recipes and sessions of this process know it by its name. A learner is made with its backbone, frozen:
    `self.backbone.features(batch)` are the features [B,D], `self.options` what a recipe sets. Of each task the calls
    are begin_task, then for every batch of every epoch loss and after_step, then end_task; scores is called in between
    whenever it is evaluated, also by several threads. `fit` in place of the epochs is for methods without gradients.

    A stopped run goes on from `state` alone, between any two steps. So it has all that the learner changes, and random
    numbers come from `self.generator`.
    """

    name = ""  # lower-case letters, digits and _
    paper = ""
    about = ""
    stores = ""
    # task_id_at_train, task_id_at_test, boundaries, many_passes, new_classes, past_data
    needs: Sequence[str] = ("boundaries", "many_passes")
    network = "any"  # or transformer, decoder, clip, mlp
    training: Mapping[str, Any] = {}  # as in a recipe: {"epochs": 5, "lr": 0.1}
    options: Mapping[str, Any] = {}  # its options with their defaults; {"rank": (8, "Its meaning.")}

    def __init__(self, backbone: _core.Lent, options: Dict[str, Any]):
        self.backbone = backbone
        self.options = SimpleNamespace(**options)

    def loss(self, batch: _core.Batch, step: _core.Step) -> torch.Tensor:
        """The loss of a batch, a number, of which the trainer takes the gradient. `batch.target` are the classes
        [B], numbered over the stream."""
        raise NotImplementedError(f"{type(self).__name__}.loss is not defined")

    def scores(self, batch: _core.Batch) -> torch.Tensor:
        """Scores [B,K] of the classes seen. Those of a sample must not depend on the others of the batch."""
        raise NotImplementedError(f"{type(self).__name__}.scores is not defined")

    def trainable(self) -> Iterable[Union[torch.Tensor, Tuple[Sequence[torch.Tensor], float]]]:
        """The tensors that the optimizer trains; with another learning rate than the others (tensors, factor)."""
        return []

    def state(self) -> Dict[str, Any]:
        """All that a stopped run needs to go on: tensors, numbers, texts and lists of them, by their names."""
        raise NotImplementedError(f"{type(self).__name__}.state is not defined")

    def load_state(self, state: Dict[str, Any]) -> None:
        """Takes what `state` gave: by default as attributes of these names. Tensors require a gradient as before."""
        for name, value in state.items():
            setattr(self, name, value)

    def begin_task(self, task: _core.Task) -> None:
        """Grows heads: `task.fresh` are the new classes, `task.seen` all so far. By default begin_classes."""
        if task.fresh:
            self.begin_classes(len(task.fresh))

    def begin_classes(self, fresh: int) -> None:
        """Grows by so many classes."""

    def fit(self, task: _core.Task) -> None:
        """Learns a task at once, from `task.features()`: (features [N,D], classes [N])."""
        raise NotImplementedError

    def after_backward(self, step: _core.Step) -> None:
        """Changes gradients before the step."""

    def after_step(self, batch: _core.Batch, step: _core.Step) -> None:
        """Statistics after a step."""

    def end_task(self, task: _core.Task) -> None:
        """Statistics at the end of a task."""

    def forget(self, number: int) -> None:
        """Forgets a class as if it had never been learned; later classes move down by one."""
        raise NotImplementedError

    def generator(self, name: str, number: int = 0) -> torch.Generator:
        """Random numbers of the run's seed, a sequence for each name and number."""
        return torch.Generator().manual_seed(self.backbone.seed(name, number))

    @property
    def _fits(self) -> bool:
        return type(self).fit is not Learner.fit

    @property
    def _forgets(self) -> bool:
        return type(self).forget is not Learner.forget


L = TypeVar("L", bound=Type[Learner])


def register(learner: L) -> L:
    """Makes a learner known under its name. A later one of the same name takes its place."""
    if not (isinstance(learner, type) and issubclass(learner, Learner)):
        raise TypeError(f"{learner!r} is no subclass of patina.Learner")
    _core.add_learner(learner, as_json(learner.training))
    return learner


__all__ = ("Learner", "register")
