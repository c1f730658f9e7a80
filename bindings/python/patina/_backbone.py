"""Backbones as a source of features."""

import os
from typing import Any, Iterator, Mapping, Optional, Union

import torch

from . import _core
from ._options import Options, as_json, named
from ._samples import chunks, samples


class Backbone:
    """A frozen pre-trained network.

    `model` is a name of `patina list models`, a file, a folder, or a mapping with the keys of a recipe's `[model]`;
    `engine` has those of `[engine]`, such as {"device": "cpu"}.
    """

    def __init__(self, model: Union[str, os.PathLike, Mapping[str, Any]] = "starter", *, engine: Options = None,
                 cache: bool = True, seed: int = 1993):
        self._core = _core.Backbone(as_json({"model": named(model), "engine": engine, "cache": cache, "seed": seed}))

    @property
    def width(self) -> int:
        """The number of features."""
        return self._core.width

    @property
    def about(self) -> str:
        """One line: "ViT 12x192, 3 heads, patch 16 at 224 px"."""
        return self._core.about

    @property
    def reads_texts(self) -> bool:
        """Whether it reads texts; otherwise images."""
        return self._core.texts

    def features(self, data: Any, *, batch: int = 64) -> torch.Tensor:
        """The features of each sample, [N,D] on the CPU."""
        return self._core.features(samples(data, texts=self._core.texts)[0], batch)

    def __repr__(self) -> str:
        return f"patina.Backbone({self.about})"


def features(backbone: Union[Backbone, str, os.PathLike, Mapping[str, Any]], data: Any, *, batch: int = 64,
             engine: Optional[Mapping[str, Any]] = None) -> Iterator[torch.Tensor]:
    """The features of a stream of samples, [batch,D] at a time, in order.

    `data` is a tensor, an array, a torch data set, or anything that can be iterated, also without an end:
    samples are taken as they are needed, and no more are held than a batch.
    """
    network = backbone if isinstance(backbone, Backbone) else Backbone(backbone, engine=engine)
    if batch < 1:
        raise ValueError(f"batch is {batch}; it must be 1 or more")
    return (network.features(chunk, batch=batch) for chunk in chunks(data, batch, network.reads_texts))
