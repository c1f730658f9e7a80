"""Continual learning on pre-trained models.

    import patina

    session = patina.Session.create("starter", learner="ranpac", options={"projection": 2000})
    session.learn(images, labels, classes=["cat", "dog"])   # one task
    session.predict(photo)[0].name
    session.save("pets.patina")

A frozen pre-trained network learns class after class, task after task. Images are torch tensors
([N,3,H,W]), NumPy arrays ([N,H,W,3]), PIL images, files or torch data sets; they are neither resized nor
normalised before. What is wrong with a call is said by `patina.Error`.
"""

import torch as _torch

from . import _built

if _torch.__version__.split("+")[0] != _built.TORCH.split("+")[0]:
    raise ImportError(
        f"this patina was built for PyTorch {_built.TORCH}, and this Python has {_torch.__version__}: install that "
        "PyTorch, or build patina again in patina's folder: pip install --no-build-isolation --force-reinstall "
        "--no-deps .")

from ._core import Error
from ._backbone import Backbone, features
from ._learner import Learner, register
from ._run import Run, explain, learners, run
from ._session import Answer, Assessment, ClassCount, Prediction, Session

__version__ = _built.VERSION
__all__ = ["Answer", "Assessment", "Backbone", "ClassCount", "Classifier", "Error", "Learner", "Prediction", "Run",
           "Session", "explain", "features", "learners", "register", "run"]


def __getattr__(name: str):
    if name == "Classifier":  # scikit-learn takes a second to import
        from ._classifier import Classifier
        return Classifier
    raise AttributeError(f"module 'patina' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *__all__})
