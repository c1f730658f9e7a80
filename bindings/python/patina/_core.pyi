"""The compiled part of patina. Programs use the names of `patina`."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type

import torch

version: str
torch_version: str

class Error(Exception):
    """A mistake in the use of patina: what was wrong, and what to do."""
    kind: str

class Samples:
    labelled: bool
    classes: List[str]
    texts: bool
    def __len__(self) -> int: ...

def images(images: torch.Tensor, numbers: Optional[Sequence[int]], classes: Sequence[str]) -> Samples: ...
def files(files: Sequence[str], numbers: Optional[Sequence[int]], classes: Sequence[str]) -> Samples: ...
def texts(texts: Sequence[Tuple[str, str]], numbers: Optional[Sequence[int]], classes: Sequence[str]) -> Samples: ...
def read_images(read: Callable[[int], torch.Tensor], count: int, numbers: Optional[Sequence[int]],
                classes: Sequence[str]) -> Samples: ...
def exchanges(asked: Sequence[str], answers: Sequence[str]) -> Samples: ...

class Backbone:
    width: int
    about: str
    texts: bool
    def __init__(self, options: str) -> None: ...
    def features(self, samples: Samples, batch: int) -> torch.Tensor: ...

class Session:
    classes: List[str]
    tasks: int
    task_names: List[str]
    learner: str
    about: str
    texts: bool
    answers: bool
    @staticmethod
    def create(options: str) -> Session: ...
    @staticmethod
    def create_on(backbone: Backbone, options: str) -> Session: ...
    @staticmethod
    def open(path: str, options: str) -> Session: ...
    def learn(self, samples: Samples, name: str) -> None: ...
    def forget(self, name: str) -> None: ...
    def predict(self, samples: Samples, top: int, task: int) -> Tuple[torch.Tensor, torch.Tensor, Dict[int, str]]: ...
    def eval(self, samples: Samples, task: int) -> Dict[str, Any]: ...
    def answer(self, samples: Samples, options: str) -> List[Dict[str, Any]]: ...
    def save(self, path: str, options: str) -> None: ...
    def export(self, folder: str, to: str, dtype: str) -> List[str]: ...

def run(recipe: str, settings: str, folder: str, mode: str, cache: bool, data_threads: int, train: Optional[Samples],
        test: Optional[Samples], name: str) -> Tuple[str, str]: ...
def learners() -> List[Dict[str, Any]]: ...
def explain(name: str) -> str: ...

class Step:
    """A gradient step: its place in the training, and its learning rate."""
    epoch: int
    epochs: int
    step: int
    steps: int
    taken: int
    rate: float

class Batch:
    """A batch as a learner reads it. `target` is None where the learner is asked."""
    pixels: Optional[torch.Tensor]
    ids: Optional[torch.Tensor]
    mask: Optional[torch.Tensor]
    target: Optional[torch.Tensor]
    def __len__(self) -> int: ...

class Task:
    index: int
    classes: List[int]
    fresh: List[int]
    seen: List[int]
    names: List[str]
    def features(self) -> Tuple[torch.Tensor, torch.Tensor]: ...

class Lent:
    """The backbone of a learner, frozen."""
    width: int
    about: str
    def features(self, batch: Batch) -> torch.Tensor: ...
    def tokens(self, batch: Batch) -> torch.Tensor: ...
    def seed(self, name: str, number: int) -> int: ...

def add_learner(learner: Type[Any], training: str) -> None: ...
