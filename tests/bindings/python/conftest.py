"""Images of colours, which the starter tells apart, as every kind of sample."""

import pathlib
import sys

import numpy
import pytest
import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "docs"))  # small_data

COLOURS = {"red": (210, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 220), "yellow": (220, 210, 40)}


class Colours:
    """`each` images of each colour: uint8 [N,H,W,3] as NumPy has them."""

    def __init__(self, *names, each=4, side=32, seed=0):
        draw = numpy.random.default_rng(seed)
        self.names = list(names)
        self.labels = [i for i in range(len(names)) for _ in range(each)]
        self.arrays = numpy.stack([
            numpy.clip(numpy.array(COLOURS[names[label]]) + draw.integers(-20, 20, (side, side, 3)), 0, 255)
            for label in self.labels]).astype(numpy.uint8)

    @property
    def tensors(self):
        return torch.from_numpy(self.arrays).permute(0, 3, 1, 2).contiguous()

    def taught(self, session):
        return session.learn(self.tensors, self.labels, self.names)


@pytest.fixture
def colours():
    return Colours
