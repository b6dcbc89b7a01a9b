"""Turn gradients into steps: gradient descent with or without momentum, Adam, and schedules.

An optimiser changes its network in place, and the gradient too. It goes through them a cacheful at
a time: each number comes from memory once, whatever is then done with it.

Both can let the weights decay: before each step ``w ← w - α λ w`` with the learning rate α, apart
from the gradient and its means ("decoupled": Loshchilov and Hutter 2019, "Decoupled weight decay
regularization", whose λ is α λ here). For gradient descent without momentum that is L2
regularisation, a penalty of ``λ/2 Σ w²`` in the loss. Biases do not decay. (It is one pass over the
weights more.)
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from mnist_nn.network import Floats, Gradients, Network, check_number

Schedule: TypeAlias = Callable[[float], float]
"""From the fraction of training that is done, 0 to 1, to a factor of the learning rate."""

_CACHEFUL = 65536  # numbers of each array: the four that Adam needs take 1 MB


def constant(done: float) -> float:  # noqa: ARG001
    """Keep the learning rate as it is."""
    return 1.0


def cosine(done: float, warm_up: float = 0.05) -> float:
    """Raise the learning rate from 0 in a straight line, then lower it to 0 in half a cosine.

    Large steps get far while small ones would only creep, and small ones settle where large ones
    would bounce; the first ones are small since the loss is most strongly curved at the start.
    (Loshchilov and Hutter 2017, "SGDR", eq. 5; a warm-up as in Goyal et al. 2017, "Accurate, large
    minibatch SGD", but from 0.)

    Parameters
    ----------
    done : float
        The fraction of training that is done.
    warm_up : float
        The fraction of training at which the factor reaches 1.

    Raises
    ------
    ValueError
        If warm_up is not from 0 up to below 1.
    """
    check_number("warm_up", warm_up, 0, 1)
    if done < warm_up:
        return done / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))


class SGD:
    """Stochastic gradient descent: ``p ← p - α g`` for each parameter and its gradient.

    (Robbins and Monro 1951, "A stochastic approximation method".) With momentum μ a step goes
    further where gradients agree, and Nesterov's looks ahead by the momentum to come ::

        v ← μ v + g
        p ← p - α (g + μ v)

    (Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    eqs. 3 and 4, as seen from the point looked ahead to; and with α outside of v, so that a
    schedule scales all of the step.)
    """

    def __init__(self, network: Network, *, momentum: float = 0.0, weight_decay: float = 0.0):
        self.network, self.momentum, self.weight_decay = network, momentum, weight_decay
        self.v = _zeros(network) if momentum else None

    def step(self, gradients: Gradients, learning_rate: float) -> None:
        """Move the network by one step; the gradients are used up."""
        _decay(self.network, learning_rate * self.weight_decay)
        if self.v is None:
            for p, g in _stretches(self.network, gradients):
                g *= learning_rate
                p -= g
        else:
            for p, v, g in _stretches(self.network, self.v, gradients):
                v *= self.momentum
                v += g
                g += self.momentum * v
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

    def __init__(self, network: Network, *, weight_decay: float = 0.0):
        self.network, self.weight_decay = network, weight_decay
        self.m, self.v = _zeros(network), _zeros(network)
        self.steps = 0

    def step(self, gradients: Gradients, learning_rate: float) -> None:
        """Move the network by one step; the gradients are used up."""
        _decay(self.network, learning_rate * self.weight_decay)
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


def _zeros(network: Network) -> Gradients:
    return Gradients([np.zeros_like(w) for w in network.w], [np.zeros_like(b) for b in network.b])


def _decay(network: Network, fraction: float) -> None:
    if fraction:
        for w in network.w:
            w *= 1 - fraction


def _stretches(*structures: Network | Gradients) -> Iterator[tuple[Floats, ...]]:
    """Go through structures of the same shapes together, a cacheful of columns at a time."""
    for arrays in zip(*([*w, *b] for w, b, *_ in structures), strict=True):
        columns = arrays[0].shape[-1]
        step = max(1, _CACHEFUL * columns // arrays[0].size)
        for start in range(0, columns, step):
            yield tuple(array[..., start : start + step] for array in arrays)
