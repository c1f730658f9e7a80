"""Session: a backbone and what was learned on it."""

import os
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import torch

from . import _core
from ._backbone import Backbone
from ._options import Options, as_json, named
from ._samples import is_single, samples


class Prediction(NamedTuple):
    """A class and its score. Scores of different learners are not comparable."""
    name: str
    number: int  # in the order of learning
    score: float


@dataclass(frozen=True)
class ClassCount:
    """Of the samples of a class, how many were taken for it, and for each of the assessment's `answers`."""
    name: str
    known: bool
    samples: int
    right: int
    predicted: List[int]


@dataclass(frozen=True)
class Assessment:
    """How many samples were recognised, class by class."""
    samples: int
    right: int
    classes: List[ClassCount]
    answers: List[str]

    @property
    def accuracy(self) -> float:
        return self.right / self.samples


@dataclass(frozen=True)
class Answer:
    """A text that answers a prompt."""
    text: str
    tokens: int
    prompt_tokens: int
    ended: bool  # by the model or a text in `stop`; otherwise max_tokens or the model's length did


class Session:
    """Learns, predicts or answers, is saved and opened again.

    Several threads may ask a session at once, also while another thread learns: they see the state before.
    A call that fails changes nothing, and Ctrl-C ends one at its next batch.
    """

    def __init__(self, core: _core.Session):
        self._core = core

    @classmethod
    def create(cls, backbone: Union[Backbone, str, os.PathLike, Mapping[str, Any]] = "starter",
               learner: str = "simplecil", *, options: Options = None, training: Options = None, text: Options = None,
               train_transform: Options = None, test_transform: Options = None, engine: Options = None,
               seed: int = 1993, cache: bool = True, data_threads: int = 0) -> "Session":
        """A session that has learned nothing.

        `backbone`: a name of `patina list models`, a file, a folder, a mapping with the keys of a recipe's `[model]`,
        or a Backbone, which is copied. `options` are the learner's (`patina.explain(learner)` lists them), the other
        mappings have the keys of the recipe's sections of that name. What is not set has the paper's value.
        """
        asked: Dict[str, Any] = {"learner": named(learner, options), "training": training, "text": text,
                                 "train_transform": train_transform, "test_transform": test_transform,
                                 "engine": engine, "seed": seed, "cache": cache, "data_threads": data_threads}
        if isinstance(backbone, Backbone):
            return cls(_core.Session.create_on(backbone._core, as_json(asked)))
        return cls(_core.Session.create(as_json({"model": named(backbone), **asked})))

    @classmethod
    def open(cls, path: Union[str, os.PathLike], *, weights: Union[str, os.PathLike, None] = None,
             engine: Options = None, cache: bool = True, data_threads: int = 0) -> "Session":
        """A session that was saved, by its file or the folder of a run.

        `weights`: where the backbone's are, if not at their path of then.
        """
        return cls(_core.Session.open(os.fspath(path), as_json(
            {"weights": weights, "engine": engine, "cache": cache, "data_threads": data_threads})))

    def learn(self, data: Any, labels: Any = None, classes: Optional[Sequence[str]] = None, *,
              name: str = "") -> "Session":
        """Learns one task.

        `labels` are indices into `classes`, or names; a torch data set of (image, label) has its own, and its
        `classes`. Of a learner that answers with text, `data` are pairs of a prompt and its answer.
        """
        if self.answers:
            pairs = list(data)
            source = _core.exchanges([prompt for prompt, _ in pairs], [answer for _, answer in pairs])
        else:
            source = samples(data, labels, classes, self.reads_texts)[0]
        self._core.learn(source, name)
        return self

    def forget(self, name: str) -> None:
        """Forgets a class as if it had never been learned, where the method can do that."""
        self._core.forget(name)

    def predict(self, data: Any, top: int = 1, *,
                task: Optional[int] = None) -> Union[List[Prediction], List[List[Prediction]]]:
        """The best classes, best first: a list for one sample, a list of lists for several."""
        source, single = samples(data, texts=self.reads_texts)
        numbers, scores, names = self._core.predict(source, top, -1 if task is None else task)
        rows = [[Prediction(names[number], number, score) for number, score in zip(*row)]
                for row in zip(numbers.tolist(), scores.tolist())]
        return rows[0] if single else rows

    def scores(self, data: Any, *, task: Optional[int] = None) -> torch.Tensor:
        """The scores of all classes in the order of `classes`: [N,K], of one sample [K]."""
        source, single = samples(data, texts=self.reads_texts)
        numbers, scores, _ = self._core.predict(source, max(1, len(self.classes)), -1 if task is None else task)
        rows = torch.empty_like(scores).scatter_(1, numbers, scores)
        return rows[0] if single else rows

    def eval(self, data: Any, labels: Any = None, classes: Optional[Sequence[str]] = None, *,
             task: Optional[int] = None) -> Assessment:
        """Counts right predictions on samples with labels, as for `learn`. Classes are compared by name."""
        source, _ = samples(data, labels, classes, self.reads_texts)
        found = self._core.eval(source, -1 if task is None else task)
        return Assessment(found["samples"], found["right"], [ClassCount(**one) for one in found["classes"]],
                          found["answers"])

    def answer(self, prompts: Union[str, Sequence[str]], **options: Any) -> Union[Answer, List[Answer]]:
        """Answers to prompts, of a learner that answers with text.

        Options: max_tokens, temperature, top_k, top_p, repetition_penalty, seed, stop (a list of texts), cut, batch.
        """
        single = is_single(prompts, texts=True)
        asked = [prompts] if single else list(prompts)
        found = [Answer(**one) for one in self._core.answer(_core.exchanges(asked, []), as_json(options))]
        return found[0] if single else found

    def save(self, path: Union[str, os.PathLike], *, with_backbone: bool = False, bf16: bool = False,
             samples: bool = True) -> None:
        """Writes an artefact; the file appears under its name once it is complete.

        `with_backbone`: the file is then all that predicting needs, with weights in `bf16` half the size.
        `samples`: with the samples of earlier tasks that the learner keeps, without which it learns no further.
        """
        self._core.save(os.fspath(path), as_json({"with_backbone": with_backbone, "bf16": bf16, "samples": samples}))

    def export(self, folder: Union[str, os.PathLike], to: str = "safetensors", *, dtype: str = "fp32") -> List[str]:
        """Writes a folder for other programs: "safetensors", "peft" or "gguf". Returns the files in it."""
        return self._core.export(os.fspath(folder), to, dtype)

    @property
    def classes(self) -> List[str]:
        """The classes that are known, in the order of learning."""
        return self._core.classes

    @property
    def tasks(self) -> int:
        """How many tasks were learned."""
        return self._core.tasks

    @property
    def task_names(self) -> List[str]:
        return self._core.task_names

    @property
    def learner(self) -> str:
        return self._core.learner

    @property
    def about(self) -> str:
        """The backbone in one line."""
        return self._core.about

    @property
    def reads_texts(self) -> bool:
        """Whether samples are texts; otherwise images."""
        return self._core.texts

    @property
    def answers(self) -> bool:
        """Whether the learner answers with text; otherwise it chooses classes."""
        return self._core.answers

    def __reduce__(self):
        """As an artefact: copying and pickling need the backbone's weights where they were."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "session.patina")
            self.save(path)
            with open(path, "rb") as file:
                return _opened, (file.read(),)

    def __repr__(self) -> str:
        known = f"{self.tasks} tasks" if self.answers else f"{len(self.classes)} classes"
        return f"patina.Session({self.learner} on {self.about}; {known})"


def _opened(artefact: bytes) -> Session:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "session.patina")
        with open(path, "wb") as file:
            file.write(artefact)
        return Session.open(path)


__all__: Tuple[str, ...] = ("Answer", "Assessment", "ClassCount", "Prediction", "Session")
