"""Classifier: a session in the manner of scikit-learn."""

from typing import Any, Optional, Sequence, Tuple

import numpy as np
import torch

from ._session import Session

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d
except ImportError as missing:  # pragma: no cover
    raise ImportError("patina.Classifier is an estimator of scikit-learn: pip install scikit-learn") from missing


class Classifier(ClassifierMixin, BaseEstimator):
    """A classifier of images or texts that learns on with `partial_fit`.

    X is what Session.learn takes: images as an array [N,H,W,3] or [N,H,W], a tensor [N,3,H,W], a list of PIL images
    or of files, a list of texts. With `image_shape`, such as (28, 28) or (32, 32, 3), X is an array [N,features]
    whose rows are images of that shape.

    `fit` learns all classes as one task and forgets what was before; each `partial_fit` is a task. Whether a class
    may come again in a later one depends on the learner: simplecil, which needs all samples of a class at once,
    refuses it; `slda` does not.
    """

    def __init__(self, backbone: Any = "starter", learner: str = "simplecil", *, options: Optional[dict] = None,
                 training: Optional[dict] = None, engine: Optional[dict] = None,
                 image_shape: Optional[Tuple[int, ...]] = None, random_state: int = 1993, data_threads: int = 0):
        self.backbone = backbone
        self.learner = learner
        self.options = options
        self.training = training
        self.engine = engine
        self.image_shape = image_shape
        self.random_state = random_state
        self.data_threads = data_threads

    def fit(self, X: Any, y: Sequence) -> "Classifier":
        """Learns X and its classes y as the first task."""
        self._begin()
        return self._learn(X, y)

    def partial_fit(self, X: Any, y: Sequence, classes: Optional[Sequence] = None) -> "Classifier":
        """Learns X and its classes y as a further task. `classes`, those to come, need not be known."""
        if not hasattr(self, "session_"):
            self._begin()
        if classes is not None:
            self._add(np.unique(np.asarray(classes)))
        return self._learn(X, y)

    def predict(self, X: Any) -> np.ndarray:
        """The class of each sample."""
        chances = self.predict_proba(X)
        return self.classes_[chances.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The softmax of the learner's scores, a column for each of `classes_`. Of many learners, whose scores
        are cosines or distances, only the order means something. What was not learned yet has 0."""
        if not hasattr(self, "session_"):
            raise NotFittedError("this Classifier has learned nothing yet: call fit or partial_fit first")
        scores = torch.softmax(self.session_.scores(self._inputs(X, fitting=False)), dim=1).numpy()
        known = [self._column[name] for name in self.session_.classes]
        all_classes = np.zeros((len(scores), len(self.classes_)))
        all_classes[:, known] = scores
        return all_classes

    def _begin(self) -> None:
        self.session_ = Session.create(self.backbone, self.learner, options=self.options, training=self.training,
                                       engine=self.engine, seed=self.random_state, data_threads=self.data_threads)
        self.classes_ = np.array([])
        self._column = {}
        if hasattr(self, "n_features_in_"):
            del self.n_features_in_

    def _learn(self, X: Any, y: Sequence) -> "Classifier":
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        fresh = np.unique(y)
        inputs = self._inputs(X, fitting=True)
        self.session_.learn(inputs, [_name(label) for label in y.tolist()], [_name(label) for label in fresh.tolist()])
        self._add(fresh)
        return self

    def _add(self, labels: np.ndarray) -> None:
        self.classes_ = np.unique(np.concatenate([self.classes_, labels])) if len(self.classes_) else labels
        self._column = {_name(label): column for column, label in enumerate(self.classes_.tolist())}

    def _inputs(self, X: Any, fitting: bool) -> Any:
        if self.image_shape is None:
            return X
        X = np.asarray(X)
        if X.ndim != 2:
            raise ValueError(f"with image_shape X is [N,features], and this is {list(X.shape)}. Reshape your data")
        wanted = int(np.prod(self.image_shape))
        if X.shape[1] != wanted:
            raise ValueError(f"X has {X.shape[1]} features, but Classifier is expecting {wanted} features as input: "
                             f"image_shape is {self.image_shape}")
        if fitting:
            self.n_features_in_ = X.shape[1]
        return X.reshape(len(X), *self.image_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = self.image_shape is None
        return tags


def _name(label: Any) -> str:
    return label if isinstance(label, str) else repr(label)
