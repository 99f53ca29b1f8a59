"""Classifiers that try to name the hand from its latent: what they can tell, a policy can tell too."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

RIDGE = 1e-4
BATCH, RATE = 256, 3e-3

Predictor = Callable[[np.ndarray], np.ndarray]
Probe = Callable[[np.ndarray, np.ndarray], Predictor]


def accuracy(probe: Probe, latents: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Share of hands named rightly. `latents` (H, R, N) of R poses on H hands; `train`, `test` are rows of poses."""
    hands, size = len(latents), latents.shape[2]
    known = latents[:, train].reshape(-1, size)
    mean, scale = known.mean(0), np.maximum(known.std(0), 1e-9)
    predict = probe((known - mean) / scale, np.repeat(np.arange(hands), len(train)))
    named = predict((latents[:, test].reshape(-1, size) - mean) / scale)
    return float(np.mean(named == np.repeat(np.arange(hands), len(test))))


def linear(x: np.ndarray, labels: np.ndarray) -> Predictor:
    """Multinomial logistic regression on x (M, N), by Newton's method until the gradient vanishes."""
    model = LogisticRegression(C=1 / (RIDGE * len(x)), fit_intercept=False, solver="newton-cholesky", tol=1e-8)
    model.fit(_with_ones(x), labels)
    return lambda z: model.predict(_with_ones(z))


def _with_ones(x: np.ndarray) -> np.ndarray:
    """The features with a constant one, whose weight is the offset; it is penalised as all weights are."""
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def mlp(x: np.ndarray, labels: np.ndarray) -> Predictor:
    """One hidden layer of 64 units, 60 times over x (M, N)."""
    return _network((64,), 60, x, labels)


def large(x: np.ndarray, labels: np.ndarray) -> Predictor:
    """Three hidden layers of 256 units, 30 times over x (M, N)."""
    return _network((256, 256, 256), 30, x, labels)


def _network(hidden: tuple[int, ...], epochs: int, x: np.ndarray, labels: np.ndarray) -> Predictor:
    model = MLPClassifier(
        hidden,
        batch_size=min(BATCH, len(x)),
        learning_rate_init=RATE,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs, and no more, are meant
        model.fit(x, labels)
    return model.predict
