"""Answers to the exercises of 04_evaluation.ipynb."""

import numpy as np


def recall(confusion):
    # A row holds all the digits of one kind; a column, all that were read as it.
    return np.diag(confusion) / confusion.sum(axis=1)


def count_confusions(predictions, Y):
    # Unlike confusion[Y, predictions] += 1, this counts a pair as often as it occurs.
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (Y, predictions), 1)
    return confusion


def accuracy_when_refusing(confidence, right, refused):
    kept = int((1 - refused) * len(right))
    return right[np.argsort(-confidence)[:kept]].mean()


def fool(X, gradients, epsilon):
    return np.clip(X + epsilon * np.sign(gradients), 0, 1)


def calibration_error(confidence, right):
    interval = np.minimum((10 * confidence).astype(int), 9)
    in_interval = interval == np.arange(10)[:, None]
    # The mean distance, weighted by the counts: |sum of confidences - number right| / N.
    return np.abs(in_interval @ (confidence - right)).sum() / len(right)
