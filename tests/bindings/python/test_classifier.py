"""Classifier, by itself and by scikit-learn's checks of estimators."""

import numpy
import pytest
import sklearn.base
import sklearn.utils.estimator_checks as checks
from sklearn.model_selection import cross_val_score

import patina


def test_fit_and_predict(colours):
    images = colours("red", "green", "blue")
    names = numpy.array(images.names)[images.labels]
    classifier = patina.Classifier().fit(images.arrays, names)
    assert classifier.classes_.tolist() == ["blue", "green", "red"]
    test = colours("red", "green", "blue", seed=1)
    assert classifier.predict(test.arrays).tolist() == numpy.array(test.names)[test.labels].tolist()
    assert classifier.predict(test.tensors).tolist() == classifier.predict(test.arrays).tolist()
    chances = classifier.predict_proba(test.arrays)
    assert chances.shape == (12, 3)
    numpy.testing.assert_allclose(chances.sum(axis=1), 1)
    assert classifier.score(test.arrays, numpy.array(test.names)[test.labels]) == 1
    # The softmax of the session's scores, under the classes' names.
    scores = classifier.session_.scores(test.tensors).numpy()
    at = [classifier.session_.classes.index(name) for name in classifier.classes_]
    expected = numpy.exp(scores)[:, at] / numpy.exp(scores).sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(chances, expected, rtol=1e-6)


def test_partial_fit_adds_classes(colours):
    classifier = patina.Classifier(learner="slda")
    classifier.partial_fit(colours("green").arrays, [7] * 4, classes=[3, 7, 9])
    assert classifier.classes_.tolist() == [3, 7, 9]
    assert classifier.predict_proba(colours("red").arrays)[0].tolist() == [0, 1, 0]
    classifier.partial_fit(colours("red").arrays, [3] * 4)
    classifier.partial_fit(colours("blue").arrays, [11] * 4)
    assert classifier.classes_.tolist() == [3, 7, 9, 11]
    assert classifier.predict(colours("red", "green", "blue", each=1, seed=1).arrays).tolist() == [3, 7, 11]
    assert classifier.fit(colours("red").arrays, [1] * 4).classes_.tolist() == [1]


def test_rows_are_images(colours):
    images = colours("red", "green", side=16)
    rows = images.arrays.reshape(len(images.labels), -1)
    classifier = patina.Classifier(image_shape=(16, 16, 3)).fit(rows, images.labels)
    assert classifier.n_features_in_ == 768
    whole = patina.Classifier().fit(images.arrays, images.labels)
    numpy.testing.assert_array_equal(classifier.predict_proba(rows), whole.predict_proba(images.arrays))
    with pytest.raises(ValueError, match="X has 767 features, but Classifier is expecting 768 features as input"):
        classifier.predict(rows[:, 1:])


def test_texts():
    classifier = patina.Classifier("text_starter", "ranpac", options={"adaptation": "none", "projection": 64})
    films = ["a wonderful film", "I loved every minute", "terrible and boring", "I hated it"]
    assert classifier.fit(films, [1, 1, 0, 0]).predict(films).tolist() == [1, 1, 0, 0]


def test_cross_validation(colours):
    images = colours("red", "green", each=6)
    assert cross_val_score(patina.Classifier(), images.arrays, images.labels, cv=3).tolist() == [1, 1, 1]


def test_mistakes(colours):
    with pytest.raises(sklearn.exceptions.NotFittedError, match="learned nothing yet"):
        patina.Classifier().predict(colours("red").arrays)
    with pytest.raises(patina.Error, match="simplcil"):
        patina.Classifier(learner="simplcil").fit(colours("red").arrays, [0] * 4)
    with pytest.raises(ValueError, match="1d array"):
        patina.Classifier().fit(colours("red").arrays, [[0, 1]] * 4)


class OnRows(patina.Classifier):
    """A Classifier on tables as scikit-learn's checks make them: a row is an image of one line, each number a grey
    pixel by its logistic function. What the checks ask of numbers (finite, not sparse) is asked as estimators do."""

    def _inputs(self, X, fitting):
        first = fitting and not hasattr(self, "n_features_in_")
        X = sklearn.utils.validation.validate_data(self, X, reset=first, dtype=numpy.float64)
        grey = (255 / (1 + numpy.exp(-numpy.clip(X, -30, 30)))).astype(numpy.uint8)
        return numpy.repeat(grey[:, None, :, None], 8, axis=1).repeat(3, axis=-1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


def test_scikit_learns_checks_of_estimators():
    with numpy.errstate(all="ignore"):
        results = checks.check_estimator(OnRows(learner="slda"), on_fail=None, on_skip=None)
    failed = {result["check_name"]: repr(result["exception"])[:300] for result in results
              if result["status"] == "failed"}
    assert not failed
    assert len([result for result in results if result["status"] == "passed"]) > 30
