"""Turn gradients into steps: plain gradient descent, and Adam.

An optimiser changes its network in place, and the gradient too. It goes through them a cacheful at
a time: each number comes from memory once, whatever is then done with it.
"""

import math
from collections.abc import Iterator

import numpy as np

from mnist_nn.network import Floats, Gradients, Network

_CACHEFUL = 65536  # numbers of each array: the four that Adam needs take 1 MB


class SGD:
    """Stochastic gradient descent: ``p ← p - α g`` for each parameter and its gradient.

    (Robbins and Monro 1951, "A stochastic approximation method".)
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    def step(self, gradients: Gradients, learning_rate: float) -> None:
        """Move the network by one step; the gradients are used up."""
        for p, g in _stretches(self.network, gradients):
            g *= learning_rate
            p -= g


class Adam:
    """Step along the mean of the past gradients, each measured by its usual size.

    With ``m ← β1 m + (1 - β1) g`` and ``v ← β2 v + (1 - β2) g²``, both from 0 on, step t is ::

        p ← p - α m̂ / (sqrt(v̂) + ε)     m̂ = m / (1 - β1ᵗ)     v̂ = v / (1 - β2ᵗ)

    where the divisions make up for the start at 0. (Kingma and Ba 2015, "Adam: a method for
    stochastic optimization", algorithm 1, with the β1, β2 and ε that it recommends.)
    """

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, network: Network) -> None:
        self.network = network
        self.m, self.v = (
            Gradients([np.zeros_like(w) for w in network.w], [np.zeros_like(b) for b in network.b])
            for _ in range(2)
        )
        self.steps = 0

    def step(self, gradients: Gradients, learning_rate: float) -> None:
        """Move the network by one step; the gradients are used up."""
        self.steps += 1
        # m and v are kept without their factors 1 - β, which are made up for here: every pass over
        # the parameters that is saved is a tenth of the time.
        m_factor = (1 - self.beta1) / (1 - self.beta1**self.steps)
        v_factor = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.steps))
        for p, m, v, g in _stretches(self.network, self.m, self.v, gradients):
            m *= self.beta1
            m += g
            v *= self.beta2
            g *= g
            v += g
            np.sqrt(v, out=g)
            g += self.epsilon / v_factor
            np.divide(m, g, out=g)
            g *= learning_rate * m_factor / v_factor
            p -= g


def _stretches(*structures: Network | Gradients) -> Iterator[tuple[Floats, ...]]:
    """Go through structures of the same shapes together, a cacheful of columns at a time."""
    for arrays in zip(*([*w, *b] for w, b, *_ in structures), strict=True):
        columns = arrays[0].shape[-1]
        step = max(1, _CACHEFUL * columns // arrays[0].size)
        for start in range(0, columns, step):
            yield tuple(array[..., start : start + step] for array in arrays)
