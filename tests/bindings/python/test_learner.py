"""Learners in Python: under sessions and scenarios, stopped and resumed, and what they do wrong."""

import os
import signal
import threading

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import patina
from test_run import RECIPE, Set


@patina.register
class Centroids(patina.Learner):
    """SimpleCIL again."""
    name = "python_centroids"
    about = "Cosines to the mean feature of each class."
    needs = ("boundaries", "many_passes", "new_classes")

    def __init__(self, backbone, options):
        super().__init__(backbone, options)
        self.means = torch.empty(0, backbone.width)

    def fit(self, task):
        features, target = task.features()
        fresh = [features[target == number].mean(dim=0) for number in task.fresh]
        self.means = torch.cat([self.means, torch.stack(fresh)])

    def scores(self, batch):
        return normalize(self.backbone.features(batch)) @ normalize(self.means).T

    def state(self):
        return {"means": self.means}

    def forget(self, number):
        self.means = torch.cat([self.means[:number], self.means[number + 1:]])


@patina.register
class Head(patina.Learner):
    """A linear head with a moving average, trained by the trainer."""
    name = "python_head"
    paper = "None, 2026"
    options = {"decay": (0.5, "Of the moving average."), "noise": 0.01, "note": "text", "sizes": [1, 2]}
    training = {"epochs": 3, "batch_size": 4, "lr": 0.1}
    made = []

    def __init__(self, backbone, options):
        super().__init__(backbone, options)
        self.weight = torch.empty(0, backbone.width)
        self.average = torch.empty(0, backbone.width)
        self.log = []
        Head.made.append(self)

    def begin_classes(self, fresh):
        random = self.generator("head", len(self.weight))
        rows = self.options.noise * torch.randn(fresh, self.backbone.width, generator=random)
        self.weight = torch.cat([self.weight.detach(), rows]).requires_grad_()
        self.average = torch.cat([self.average, rows])

    def loss(self, batch, step):
        assert step.epochs == 3 and 0 <= step.epoch < 3 and step.rate > 0
        return cross_entropy(self.backbone.features(batch) @ self.weight.T, batch.target)

    def after_backward(self, step):
        self.weight.grad.clamp_(-1, 1)

    def after_step(self, batch, step):
        with torch.no_grad():
            self.average.lerp_(self.weight, 1 - self.options.decay)
        self.log.append(len(batch))

    def trainable(self):
        return [self.weight]

    def scores(self, batch):
        return self.backbone.features(batch) @ self.average.T

    def state(self):
        return {"weight": self.weight, "average": self.average, "log": self.log}


@pytest.fixture
def sets(colours):
    names = ("red", "green", "blue", "yellow")
    return {"train": Set(colours(*names, each=6)), "test": Set(colours(*names, each=2, seed=1))}


def test_a_method_in_python_is_the_method(colours, tmp_path):
    images = colours("red", "green", "blue")
    scores = []
    for learner in ("simplecil", "python_centroids"):
        session = images.taught(patina.Session.create("starter", learner))
        colours("yellow").taught(session)
        session.save(tmp_path / learner)
        session = patina.Session.open(tmp_path / learner)
        session.forget("green")
        scores.append(session.scores(images.tensors))
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-5, atol=1e-6)


def test_a_run_with_record_and_resume(sets, tmp_path):
    recipe = tmp_path / "head.toml"
    recipe.write_text(RECIPE.replace('"simplecil"', '"python_head"\nnoise = 0.02'))
    whole = patina.run(recipe, out=tmp_path / "whole", **sets)
    assert whole.record["status"] == "complete"
    assert "noise = 0.02" in whole.record["recipe"] and 'note = "text"' in whole.record["recipe"]
    images = sets["test"].images.tensors
    assert whole.open().eval(sets["test"]).accuracy >= 0.5  # the last task
    learned = Head.made[-1].log
    assert sum(learned) == 3 * 24

    steps, step = [], Head.after_step

    def stopping(self, batch, at):
        step(self, batch, at)
        steps.append(at.taken)
        if len(steps) == 13:  # in the second task
            os.kill(os.getpid(), signal.SIGINT)

    Head.after_step = stopping
    try:
        with pytest.raises(KeyboardInterrupt):
            patina.run(recipe, out=tmp_path / "stopped", **sets)
    finally:
        Head.after_step = step
    assert len(steps) < 18
    resumed = patina.run(recipe, out=tmp_path / "stopped", resume=True, **sets)
    assert torch.equal(resumed.open().scores(images), whole.open().scores(images))
    assert Head.made[-1].log == learned  # numbers and texts of the state, too


def test_scores_of_a_sample_do_not_depend_on_others(colours):
    session = colours("red", "green").taught(patina.Session.create("starter", "python_head"))
    images = colours("red", "green", seed=1).tensors
    whole = session.scores(images)
    torch.testing.assert_close(session.scores(images[:1])[0], whole[0], rtol=1e-4, atol=1e-4)
    found = []
    threads = [threading.Thread(target=lambda: found.append(session.scores(images))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, whole) for one in found)


def test_options_are_checked_and_explained():
    text = patina.explain("python_head")
    assert "decay" in text and "Of the moving average." in text and "None, 2026" in text
    session = patina.Session.create("starter", "python_head", options={"sizes": [3], "decay": 0.25})
    assert session.learner == "python_head"
    assert Head.made[-1].options.sizes == [3] and Head.made[-1].options.decay == 0.25
    with pytest.raises(patina.Error, match='did you mean "decay"'):
        patina.Session.create("starter", "python_head", options={"dekay": 1})
    with pytest.raises(patina.Error, match="python_head.*did you mean|did you mean"):
        patina.Session.create("starter", "python_heat")


def test_what_python_raises_arrives(colours):
    class Wrong(Head):
        name = "python_wrong"
        result = None

        def loss(self, batch, step):
            if isinstance(self.result, Exception):
                raise self.result
            return self.result

    patina.register(Wrong)
    images = colours("red", "green")
    for result, error, words in ((ZeroDivisionError("here"), ZeroDivisionError, "here"),
                                 (3.0, patina.Error, r"Wrong.loss returns a torch.Tensor, and not float"),
                                 (torch.zeros(2), patina.Error, r"a number, and this is \[2\]")):
        Wrong.result = result
        session = patina.Session.create("starter", "python_wrong")
        with pytest.raises(error, match=words):
            images.taught(session)
        assert session.classes == []

    class Scoreless(Centroids):
        name = "python_scoreless"

        def scores(self, batch):
            return torch.zeros(len(batch) + 1, 2)

    patina.register(Scoreless)
    session = images.taught(patina.Session.create("starter", "python_scoreless"))
    with pytest.raises(patina.Error, match="a row of scores a sample"):
        session.predict(images.tensors)


def test_what_cannot_be_registered():
    def refused(match, error=patina.Error, **attributes):
        with pytest.raises(error, match=match):
            patina.register(type("Mine", (Head,), attributes))

    refused("patina's own", name="simplecil")
    refused("cannot be the name", name="My Learner")
    refused('"telepathy" is nothing', name="mine", needs=("telepathy",))
    refused('network is "all"', name="mine", network="all")
    refused("did you mean \"epochs\"", name="mine", training={"epoch": 3})
    with pytest.raises(TypeError, match="no subclass of patina.Learner"):
        patina.register(dict)


def test_a_learner_that_outlives_its_session(colours):
    session = colours("red", "green").taught(patina.Session.create("starter", "python_head"))
    learner = Head.made[-1]
    assert learner.backbone.width == 192
    kept = []
    scores = Head.scores
    Head.scores = lambda self, batch: kept.append(batch) or kept.append(batch.pixels) or scores(self, batch)
    try:
        session.predict(colours("red").tensors)
    finally:
        Head.scores = scores
    batch, pixels = kept
    assert pixels.shape == (4, 3, 32, 32) and batch.target is None
    with pytest.raises(patina.Error, match="keep its tensors"):
        batch.pixels
    del session
    with pytest.raises(patina.Error, match="has ended"):
        learner.backbone.width


def test_needs_are_compared_with_the_scenario(sets, tmp_path):
    recipe = tmp_path / "blurry.toml"
    recipe.write_text(RECIPE.replace("simplecil", "python_centroids"))
    with pytest.raises(patina.Error, match="python_centroids cannot run on si_blurry") as caught:
        patina.run(recipe, out=tmp_path / "run", set={"scenario.name": "si_blurry"}, **sets)
    assert caught.value.kind == "scenario"
