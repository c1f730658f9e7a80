"""Runs of recipes, and the methods that they name."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

from . import _core
from ._options import as_json
from ._samples import samples
from ._session import Session


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and its record (docs/reference/record.md)."""
    folder: Path
    record: Dict[str, Any]

    def open(self, **options: Any) -> Session:
        """A session with what the run learned; options as for Session.open."""
        return Session.open(self.folder / "model.patina", **options)


def run(recipe: Union[str, os.PathLike], *, set: Optional[Mapping[str, Any]] = None,
        out: Union[str, os.PathLike, None] = None, resume: bool = False, overwrite: bool = False, cache: bool = True,
        data_threads: int = 0, train: Any = None, test: Any = None) -> Run:
    """Runs a recipe: learns a stream of tasks from start to end.

    `set` overrides values: {"learner.name": "finetune", "training": {"epochs": 1}}. `out` is the run's folder, by
    default runs/NAME. `train` and `test`, torch data sets of (image, label), take the place of the recipe's data.
    Ctrl-C stops the run after a checkpoint, and `resume` continues it to the same bits.
    """
    if resume and overwrite:
        raise ValueError("a run is either resumed or overwritten")
    if (train is None) != (test is None):
        raise ValueError("train and test go together")
    mode = "resume" if resume else "overwrite" if overwrite else "fresh"
    splits = [None if data is None else samples(data)[0] for data in (train, test)]
    folder, record = _core.run(os.fspath(recipe), as_json(set or {}), "" if out is None else os.fspath(out), mode,
                               cache, data_threads, *splits, type(train).__name__)
    return Run(Path(folder), json.loads(record))


def learners() -> List[Dict[str, Any]]:
    """Every method: name, family, paper, about, stores, needs, network, answers, keeps_samples."""
    return _core.learners()


def explain(name: str) -> str:
    """A method's paper and idea, what it needs, and its options with their defaults, for people."""
    return _core.explain(name)
