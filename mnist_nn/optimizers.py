"""Turn gradients into steps: gradient descent with or without momentum, Adam, and schedules.

An optimizer holds only settings and can be reused; what it remembers from step to step, the
moments, belongs to the run. A step changes the network, the moments and the gradients in place, in
cache-sized blocks, so that each number is read from memory once, and all cores have some.

Both optimizers can let the weights decay: before each step ``w ← w - α λ w`` with the learning rate
α, apart from the gradient and its moments ("decoupled": Loshchilov and Hutter 2019, "Decoupled
weight decay regularization", whose λ is α λ here). For gradient descent without momentum that is L2
regularization, a penalty of ``λ/2 Σ w²`` in the loss. Biases do not decay.
"""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from mnist_nn.checks import (
    Floats,
    check_function,
    check_gradients,
    check_learning_rate,
    check_number,
    requires,
)
from mnist_nn.compute import share
from mnist_nn.network import Gradients, Network

__all__ = [
    "SGD",
    "Adam",
    "constant",
    "cosine",
    "update",
]

Schedule: TypeAlias = Callable[[float], float]
"""From the fraction of training that is done, 0 to 1, to a factor of the learning rate."""

_BLOCK_SIZE = 131072  # numbers of each array: the four that Adam needs take 2 MB


def constant(done: float) -> float:
    """Keep the learning rate as it is."""
    check_number("done", done, at_least=0, at_most=1)
    return 1.0


def cosine(done: float, warm_up: float = 0.05) -> float:
    """Raise the learning rate from 0 in a straight line, then lower it to 0 along half a cosine.

    Large steps get far while small ones would only creep, and small ones settle where large ones
    would bounce; the first steps are small because the loss curves most steeply at the start.
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
        If done is not from 0 to 1, or warm_up not from 0 to below 1.
    """
    check_number("done", done, at_least=0, at_most=1)
    check_number("warm_up", warm_up, at_least=0, below=1)
    if done < warm_up:
        return done / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))


@requires(check_gradients, check_learning_rate)
def update(network: Network, gradients: Gradients, learning_rate: float) -> Network:
    """Take one step downhill: each parameter minus ``learning_rate`` times its gradient.

    Raises
    ------
    TypeError, ValueError
        If the gradients do not fit the network, or the learning rate is not above 0.
    """
    learning_rate = float(learning_rate)  # a NumPy float64 would make all parameters float64
    w = [w - learning_rate * dw for w, dw in zip(network.w, gradients.dw, strict=True)]
    b = [b - learning_rate * db for b, db in zip(network.b, gradients.db, strict=True)]
    return Network(w, b, network.activation)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: ``p ← p - α g`` for each parameter and its gradient.

    (Robbins and Monro 1951, "A stochastic approximation method".) With momentum μ a step goes
    further where gradients agree, and Nesterov's form looks ahead by the momentum to come ::

        v ← μ v + g
        p ← p - α (g + μ v)

    (Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    eqs. 3 and 4, seen from the look-ahead point, with α outside v, so that a schedule scales the
    whole step.)

    Parameters
    ----------
    learning_rate : float
        The factor α of the gradient in each step.
    momentum : float
        The fraction μ of the last step that the next one keeps, from 0 to below 1. Default: none.
    weight_decay : float
        The λ by which weights shrink: by the fraction α λ of themselves in each step. Default:
        none.
    schedule : callable
        Makes a factor of the learning rate out of the fraction of training that is done, from 0 to
        1, such as `cosine`. Default: `constant`.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the schedule is not a function.
    """

    learning_rate: float
    _: KW_ONLY
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule = constant

    def __post_init__(self) -> None:
        check_number("momentum", self.momentum, at_least=0, below=1)
        _check_rates(self)

    def moments(self, network: Network) -> list[Gradients]:
        """Return what it remembers before the first step: ``v = 0`` if there is momentum."""
        return [_zeros(network)] if self.momentum else []

    def step(
        self,
        network: Network,
        gradients: Gradients,
        moments: list[Gradients],
        steps_done: int,
        total_steps: int,
    ) -> None:
        """Move the network by one step, after ``steps_done`` of the run's ``total_steps``.

        The network and the moments change in place; the gradients are overwritten.
        """
        learning_rate = _learning_rate(self, steps_done, total_steps)
        _decay(network, learning_rate * self.weight_decay)

        def move(p: Floats, g: Floats, v: Floats | None = None) -> None:
            if v is not None:
                v *= self.momentum
                v += g
                g += self.momentum * v
            g *= learning_rate
            p -= g

        _in_blocks(move, network, gradients, *moments)


@dataclass(frozen=True)
class Adam:
    """Step along the mean of past gradients, each measured by its usual size.

    With ``m ← β1 m + (1 - β1) g`` and ``v ← β2 v + (1 - β2) g²``, both from 0 on, step t is ::

        p ← p - α m̂ / (sqrt(v̂) + ε)     m̂ = m / (1 - β1ᵗ)     v̂ = v / (1 - β2ᵗ)

    where the divisions make up for the start at 0. (Kingma and Ba 2015, "Adam: a method for
    stochastic optimization", algorithm 1, with the β1, β2 and ε that it recommends.)

    Parameters
    ----------
    learning_rate : float
        The typical change α of a parameter in each step; 0.001 suits most networks.
    weight_decay, schedule
        As for `SGD`, which also says what is raised.
    """

    learning_rate: float
    _: KW_ONLY
    weight_decay: float = 0.0
    schedule: Schedule = constant

    def __post_init__(self) -> None:
        _check_rates(self)

    def moments(self, network: Network) -> list[Gradients]:
        """Return what it remembers before the first step: ``m = 0`` and ``v = 0``."""
        return [_zeros(network), _zeros(network)]

    def step(
        self,
        network: Network,
        gradients: Gradients,
        moments: list[Gradients],
        steps_done: int,
        total_steps: int,
    ) -> None:
        """Move the network by one step; see `SGD.step`."""
        beta1, beta2, epsilon, t = 0.9, 0.999, 1e-8, steps_done + 1
        learning_rate = _learning_rate(self, steps_done, total_steps)
        _decay(network, learning_rate * self.weight_decay)
        # m and v omit their factors 1 - β, applied here instead: each pass over the parameters
        # saved is a tenth of the time.
        m_factor = (1 - beta1) / (1 - beta1**t)
        v_factor = math.sqrt((1 - beta2) / (1 - beta2**t))

        def move(p: Floats, g: Floats, m: Floats, v: Floats) -> None:
            m *= beta1
            m += g
            v *= beta2
            g *= g
            v += g
            np.sqrt(v, out=g)
            g += epsilon / v_factor
            np.divide(m, g, out=g)
            g *= learning_rate * m_factor / v_factor
            p -= g

        _in_blocks(move, network, gradients, *moments)


Optimizer: TypeAlias = SGD | Adam


def _check_rates(optimizer: Optimizer) -> None:
    check_learning_rate(optimizer.learning_rate)
    check_number("weight_decay", optimizer.weight_decay, at_least=0)
    most = optimizer.weight_decay * optimizer.learning_rate
    check_number("weight_decay times learning_rate", most, at_least=0, below=1)
    check_function("schedule", optimizer.schedule, "cosine")


def _learning_rate(optimizer: Optimizer, steps_done: int, total_steps: int) -> float:
    """Evaluate the schedule at the middle of the step, where the rate is never exactly 0."""
    if optimizer.schedule is constant:  # a small step would notice the check below
        return float(optimizer.learning_rate)
    fraction = (steps_done + 0.5) / total_steps
    factor = optimizer.schedule(fraction)
    check_number(f"the factor that schedule returns for {fraction:.3g}", factor, at_least=0)
    return float(optimizer.learning_rate) * float(factor)


def _zeros(network: Network) -> Gradients:
    return Gradients([np.zeros_like(w) for w in network.w], [np.zeros_like(b) for b in network.b])


def _decay(network: Network, fraction: float) -> None:
    if fraction:
        for w in network.w:
            w *= 1 - fraction


def _in_blocks(move: Callable[..., None], *structures: Network | Gradients) -> None:
    """Call ``move`` on structures of the same shapes together, some columns at a time.

    Blocks of large arrays are shared among the cores: ``move`` runs in several threads.
    """
    blocks = []
    for arrays in zip(*([*w, *b] for w, b, *_ in structures), strict=True):
        size, columns = arrays[0].size, arrays[0].shape[-1]
        if size <= _BLOCK_SIZE:
            move(*arrays)
            continue
        step = max(1, _BLOCK_SIZE * columns // size)
        for start in range(0, columns, step):
            block = (array[..., start : start + step] for array in arrays)
            blocks.append(partial(move, *block))
    if blocks:
        share(blocks)
