"""Classifiers that try to name the hand from its latent: what they can tell, a policy can tell too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression

RIDGE = 1e-4
HIDDEN = 64
EPOCHS = 60
BATCH = 256
RATE = 3e-3

Predictor = Callable[[np.ndarray], np.ndarray]


def accuracy(probe: Callable[..., Predictor], latents: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Share of hands named rightly. `latents` (H, R, N) of R poses on H hands; `train`, `test` are rows of poses."""
    hands, size = len(latents), latents.shape[2]
    known = latents[:, train].reshape(-1, size)
    mean, scale = known.mean(0), np.maximum(known.std(0), 1e-9)
    predict = probe((known - mean) / scale, np.repeat(np.arange(hands), len(train)), hands)
    named = predict((latents[:, test].reshape(-1, size) - mean) / scale)
    return float(np.mean(named == np.repeat(np.arange(hands), len(test))))


def linear(x: np.ndarray, labels: np.ndarray, classes: int) -> Predictor:
    """Multinomial logistic regression on x (M, N), by Newton's method until the gradient vanishes."""
    model = LogisticRegression(C=1 / (RIDGE * len(x)), fit_intercept=False, solver="newton-cholesky", tol=1e-8)
    model.fit(_with_ones(x), labels)
    return lambda z: model.predict(_with_ones(z))


def _with_ones(x: np.ndarray) -> np.ndarray:
    """The features with a constant one, whose weight is the offset; it is penalised as all weights are."""
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def mlp(x: np.ndarray, labels: np.ndarray, classes: int) -> Predictor:
    """One hidden layer of 64 (ReLU), Adam with a falling rate, fixed seed."""
    rng, size = np.random.default_rng(0), x.shape[1]
    parameters = [
        rng.standard_normal((size, HIDDEN)) * np.sqrt(2 / size),
        np.zeros(HIDDEN),
        rng.standard_normal((HIDDEN, classes)) * np.sqrt(1 / HIDDEN),
        np.zeros(classes),
    ]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    targets, total, count = np.eye(classes)[labels], EPOCHS * max(1, len(x) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for rows in np.array_split(order, max(1, len(x) // BATCH)):
            count += 1
            gradients = _gradients(parameters, x[rows], targets[rows])
            _adam(parameters, moments, gradients, count, RATE * (1 - (count - 1) / total))
    return lambda z: np.argmax(_forward(parameters, z)[1], axis=1)


def _forward(parameters: list[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.maximum(x @ parameters[0] + parameters[1], 0)
    return hidden, hidden @ parameters[2] + parameters[3]


def _gradients(parameters: list[np.ndarray], x: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    hidden, scores = _forward(parameters, x)
    wrong = (_softmax(scores) - targets) / len(x)
    back = (wrong @ parameters[2].T) * (hidden > 0)
    return [x.T @ back, back.sum(0), hidden.T @ wrong, wrong.sum(0)]


def _adam(parameters: list[np.ndarray], moments: list, gradients: list[np.ndarray], count: int, rate: float) -> None:
    for parameter, (first, second), gradient in zip(parameters, moments, gradients, strict=True):
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        parameter -= rate * (first / (1 - 0.9**count)) / (np.sqrt(second / (1 - 0.999**count)) + 1e-8)


def _softmax(scores: np.ndarray) -> np.ndarray:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
