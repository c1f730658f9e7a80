"""Sessions: every kind of sample, options, artefacts, mistakes, threads, Ctrl-C."""

import os
import pickle
import signal
import threading
import time

import numpy
import PIL.Image
import pytest
import torch

import patina
import small_data

PLAIN = {"kind": "plain"}


def close(one, other):
    """But for the last bits: products of other sizes round otherwise."""
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def taught(colours, *names, **options):
    return colours(*names).taught(patina.Session.create("starter", **options))


def test_versions():
    assert patina.__version__.count(".") == 2
    assert patina._built.TORCH.split("+")[0] == torch.__version__.split("+")[0]
    assert set(patina.__all__) <= set(dir(patina))


def test_learns_predicts_and_counts(colours):
    session = taught(colours, "red", "green", "blue")
    test = colours("red", "green", "blue", seed=1)
    best = session.predict(test.tensors, top=2)
    assert [[one.name for one in row][0] for row in best] == [test.names[i] for i in test.labels]
    assert all(row[0].score >= row[1].score and len(row) == 2 for row in best)
    assert len(session.predict(test.tensors[0], top=99)) == 3
    found = session.eval(test.tensors, test.labels, test.names)
    assert (found.samples, found.right, found.accuracy) == (12, 12, 1.0)
    assert found.classes[1] == patina.ClassCount("green", True, 4, 4, [0, 4, 0])
    assert found.answers == session.classes == ["red", "green", "blue"]
    colours("yellow").taught(session)
    assert (session.tasks, session.classes[3], session.learner) == (2, "yellow", "simplecil")
    assert "simplecil" in repr(session) and "4 classes" in repr(session)


def test_scores_are_those_of_predict(colours):
    session = taught(colours, "red", "green", "blue")
    test = colours("green", "red", seed=1)
    scores = session.scores(test.tensors)
    assert scores.shape == (8, 3) and scores.dtype == torch.float64
    for row, best in zip(scores, session.predict(test.tensors, top=3)):
        assert [row[one.number].item() for one in best] == [one.score for one in best]
    close(session.scores(test.tensors[2]), scores[2])


def test_every_kind_of_image_gives_the_same_scores(colours, tmp_path):
    session = taught(colours, "red", "green", "blue")
    images = colours("green", "blue", seed=2)
    expected = session.scores(images.tensors)
    pictures = [PIL.Image.fromarray(array) for array in images.arrays]
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
    files = [tmp_path / f"{i}.png" for i in range(len(pictures))]

    class Set(torch.utils.data.Dataset):
        def __len__(self):
            return len(pictures)

        def __getitem__(self, i):
            return pictures[i], images.labels[i]

    fixed = images.arrays.copy()
    fixed.flags.writeable = False
    for data in (images.arrays, fixed, images.tensors.float() / 255, images.tensors.double() / 255, pictures, files,
                 [str(file) for file in files], list(images.tensors), list(images.arrays), Set(),
                 images.tensors.contiguous(memory_format=torch.channels_last), tuple(pictures)):
        assert torch.equal(session.scores(data), expected), type(data)
    for one in (images.arrays[3], images.tensors[3], pictures[3], files[3], str(files[3])):
        close(session.scores(one), expected[3])


def test_grey_and_transparent_images(colours):
    session = taught(colours, "red", "green")
    grey = colours("red", seed=3).arrays[..., 0]
    coloured = numpy.repeat(grey[..., None], 3, axis=-1)
    expected = session.scores(coloured)
    assert torch.equal(session.scores(grey), expected)
    assert torch.equal(session.scores(grey[..., None]), expected)
    assert torch.equal(session.scores(numpy.concatenate([coloured, coloured[..., :1]], axis=-1)), expected)
    close(session.scores(PIL.Image.fromarray(grey[0])), expected[0])
    assert torch.equal(session.scores([torch.from_numpy(one)[None] for one in grey]), expected)


def test_labels_are_numbers_or_names(colours):
    images = colours("red", "green", seed=1)
    names = [images.names[label] for label in images.labels]
    for labels, classes in ((images.labels, images.names), (names, None), (numpy.array(names), None),
                            (torch.tensor(images.labels), images.names), (names, ["red", "green", "blue"])):
        session = patina.Session.create()
        session.learn(images.tensors, labels, classes)
        assert session.classes == ["red", "green"]
    session = patina.Session.create()
    session.learn(images.tensors, images.labels)
    assert session.classes == ["0", "1"]
    with pytest.raises(ValueError, match="'pink' is not among the classes"):
        session.learn(images.tensors, ["pink"] * 8, ["red"])
    with pytest.raises(ValueError, match="8 samples with 3 labels"):
        session.learn(images.tensors, [0, 0, 1], ["red", "green"])


def test_a_memory_does_not_change_with_the_callers_pixels(colours):
    scores = []
    for changes in (False, True):
        session = patina.Session.create("starter", "er", training={"epochs": 1, "batch_size": 4}, engine=PLAIN,
                                        cache=False)
        images = colours("red", "green")
        session.learn(images.arrays, images.labels, images.names)
        if changes:
            images.arrays[:] = 0
        colours("blue").taught(session)  # replays images of the first task
        scores.append(session.scores(colours("red", "green").tensors))
    assert torch.equal(*scores)


def test_a_data_set_with_classes(colours):
    images = colours("red", "green")

    class Set(torch.utils.data.Dataset):
        classes = images.names
        targets = images.labels

        def __len__(self):
            return len(images.labels)

        def __getitem__(self, i):
            if i == self.broken:
                raise KeyError("no such file")
            return images.tensors[i].float() / 255, images.labels[i]

        broken = None

    data = Set()
    session = patina.Session.create(data_threads=2)
    session.learn(data)
    assert session.classes == ["red", "green"]
    assert session.eval(data).accuracy == 1
    data.broken = 5
    with pytest.raises(KeyError, match="no such file"):
        patina.Session.create(cache=False).learn(data)
    with pytest.raises(ValueError, match="float images have values from 0 to 1"):
        session.predict([image.float() for image in images.tensors])


def test_options(colours):
    session = patina.Session.create({"name": "starter"}, "ranpac", options={"projection": 64, "adaptation": "none"},
                                    seed=numpy.int64(5), engine={"precision": "fp32"}, cache=False, data_threads=1)
    assert colours("red", "green").taught(session).predict(colours("green").tensors[0])[0].name == "green"
    with pytest.raises(patina.Error, match='did you mean "projection"') as caught:
        patina.Session.create("starter", "ranpac", options={"projektion": 5})
    assert caught.value.kind == "recipe"
    with pytest.raises(patina.Error, match="simplecil"):
        patina.Session.create("starter", "simplcil")
    with pytest.raises(TypeError, match="an option is a number"):
        patina.Session.create("starter", options={"projection": object()})


def test_a_backbone_is_shared_by_copies(colours):
    backbone = patina.Backbone("starter")
    before = backbone.features(colours("red").tensors)
    session = patina.Session.create(backbone, "finetune", training={"epochs": 1, "batch_size": 8})
    colours("red", "green").taught(session)
    assert torch.equal(backbone.features(colours("red").tensors), before)


def test_artefacts(colours, tmp_path):
    session = taught(colours, "red", "green")
    path = tmp_path / "colours.patina"
    session.save(path)
    again = patina.Session.open(path)
    images = colours("red", "green", seed=1).tensors
    assert torch.equal(again.scores(images), session.scores(images))
    colours("blue").taught(again)
    again.forget("red")
    assert again.classes == ["green", "blue"]
    session.save(path, with_backbone=True, bf16=True)
    assert patina.Session.open(str(path)).classes == ["red", "green"]
    with pytest.raises(patina.Error, match="nowhere") as caught:
        patina.Session.open(tmp_path / "nowhere.patina")
    assert caught.value.kind == "file"


def test_pickles(colours):
    session = taught(colours, "red", "green")
    again = pickle.loads(pickle.dumps(session))
    assert torch.equal(again.scores(colours("red").tensors), session.scores(colours("red").tensors))


def test_texts():
    session = patina.Session.create("text_starter")
    assert session.reads_texts
    films = ["a wonderful film", "I loved every minute", "great acting", "terrible and boring", "a waste of time",
             "I hated it"]
    session.learn(films, ["good", "good", "good", "bad", "bad", "bad"])
    assert session.classes == ["good", "bad"]
    assert session.predict("a wonderful film")[0].name == "good"
    assert [row[0].name for row in session.predict(films[:1] + films[3:4])] == ["good", "bad"]
    assert torch.equal(session.scores(("a wonderful film", "")), session.scores("a wonderful film"))
    with pytest.raises(patina.Error, match="no labels"):
        session.learn(["a text"])


def test_mistakes_change_nothing(colours):
    session = taught(colours, "red", "green")
    for call, words in ((lambda: colours("red").taught(session), '"red" is already known'),
                        (lambda: session.forget("gren"), 'did you mean "green"'),
                        (lambda: session.predict(torch.zeros(1, 3, 8, 8, dtype=torch.int32)), "uint8"),
                        (lambda: session.predict(torch.zeros(2, 8, 8)), "3,H,W"),
                        (lambda: session.predict(colours("red").tensors, top=0), "top is 0"),
                        (lambda: session.predict(colours("red").tensors, task=1), "set no task"),
                        (lambda: session.answer("Why?"), "chooses among classes"),
                        (lambda: session.eval(colours("red").tensors), "no labels")):
        with pytest.raises(patina.Error, match=words):
            call()
    with pytest.raises(patina.Error, match="nothing has been learned"):
        patina.Session.create().predict(colours("red").tensors)
    with pytest.raises(ValueError, match="no samples"):
        session.predict([])
    with pytest.raises(TypeError, match="an image is a tensor"):
        session.predict([object()])
    assert session.classes == ["red", "green"]


def test_python_goes_on_while_a_session_learns(colours):
    session = taught(colours, "red", "green", learner="finetune", training={"epochs": 1, "batch_size": 8})
    ticks, done = 0, threading.Event()

    def learn():
        colours("blue", each=24).taught(session)
        done.set()

    thread = threading.Thread(target=learn)
    thread.start()
    while not done.wait(0.01):
        assert session.predict(colours("red").tensors[0])[0].name in ("red", "green", "blue")
        ticks += 1
    thread.join()
    assert ticks > 0 and session.classes == ["red", "green", "blue"]


def test_ctrl_c_ends_what_is_running(colours):
    session = patina.Session.create("starter", "finetune", training={"epochs": 10000, "batch_size": 8})
    images = colours("red", "green")
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        images.taught(session)
    assert time.monotonic() - begin < 60
    assert session.classes == []
    assert taught(colours, "red").classes == ["red"]


def test_answers(tmp_path):
    small_data.gpt2(tmp_path / "gpt2")
    session = patina.Session.create(tmp_path / "gpt2", "sft", training={"epochs": 1, "batch_size": 2})
    session.learn([("Greet Ada", "Hello Ada"), ("Greet Bob", "Hello Bob")], name="greetings")
    assert session.answers and session.task_names == ["greetings"] and session.classes == []
    answer = session.answer("Greet Ada", max_tokens=3)
    assert answer.tokens <= 3 and answer.prompt_tokens > 0
    assert [one.text for one in session.answer(["Greet Ada"], max_tokens=3)] == [answer.text]
    with pytest.raises(patina.Error, match="max_tokens"):
        session.answer("Greet Ada", max_tokens=-1)
