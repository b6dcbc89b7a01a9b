"""A fully connected neural network: what it is, what it computes, and its gradient.

Functions are pure, and samples are rows: a layer computes ``Z = A @ w + b``, not ``W·x + b``.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mnist_nn import checks
from mnist_nn.checks import Activation, Array, Floats, Integers, Rng, requires
from mnist_nn.compute import by_columns, matmul

__all__ = ["Gradients", "Network", "backward_prop", "cross_entropy", "forward_prop", "init_params"]
__all__ += ["input_gradient", "relu", "sigmoid", "softmax"]


class Network(NamedTuple):
    """The parameters of a network and the activation of its hidden layers.

    Attributes
    ----------
    w, b : lists of arrays
        The weights, ``(n_in, n_out)``, and biases, ``(n_out,)``, of each layer.
    activation : {"relu", "sigmoid"}
        The hidden activation; the output layer is always a softmax.
    """

    w: list[Floats]
    b: list[Floats]
    activation: Activation

    @property
    def neuron_layers(self) -> list[int]:
        """The number of neurons in each layer, from the pixels to the classes."""
        return [len(self.w[0]), *(len(b) for b in self.b)]

    def __repr__(self) -> str:
        layers = " → ".join(map(str, self.neuron_layers))
        parameters = sum(p.size for p in [*self.w, *self.b])
        return f"Network({layers}, {self.activation}, {parameters:,} parameters)"


class Gradients(NamedTuple):
    """The derivatives of the mean loss with respect to each parameter, in the same shapes."""

    dw: list[Floats]
    db: list[Floats]


@requires(checks.check_neuron_layers, checks.check_activation, checks.check_rng)
def init_params(
    neuron_layers: Sequence[int], activation: Activation = "relu", *, rng: Rng
) -> Network:
    """Make a network with random weights and zero biases, in float32.

    For ReLU, normal weights of variance ``2 / n_in`` keep the size of the signal from layer to
    layer (He et al. 2015, "Delving deep into rectifiers", eq. 10). For the sigmoid they are uniform
    within ``±sqrt(6 / (n_in + n_out))`` (Glorot and Bengio 2010, "Understanding the difficulty of
    training deep feedforward neural networks", eq. 16).

    Parameters
    ----------
    neuron_layers : sequence of int
        The sizes of the layers: inputs, any number of hidden layers, outputs; ``[784, 10, 10]``.
    activation : {"relu", "sigmoid"}
    rng : numpy.random.Generator or int
        The source of randomness, or a seed for one; the same seed gives the same network.

    Raises
    ------
    ValueError
        For fewer than two layers, a layer without neurons, or an unknown activation.
    TypeError
        If rng is neither a generator nor a seed.
    """
    rng = np.random.default_rng(rng)
    w = []
    for n_in, n_out in pairwise(neuron_layers):
        if activation == "relu":
            weights = rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out))
        else:
            limit = np.sqrt(6 / (n_in + n_out))
            weights = rng.uniform(-limit, limit, (n_in, n_out))
        w.append(by_columns(weights.astype(np.float32)))
    b: list[Floats] = [np.zeros(n_out, np.float32) for n_out in neuron_layers[1:]]
    return Network(w, b, activation)


def relu(Z: Floats) -> Floats:
    """Rectify each element: ``max(0, z)``."""
    return np.maximum(Z, 0)


def sigmoid(Z: Floats) -> Floats:
    """Squash each element into (0, 1): ``1 / (1 + exp(-z))``, in a form that cannot overflow."""
    return (1 + np.tanh(Z / 2)) / 2


def softmax(Z: Floats) -> Floats:
    """Turn each row of scores into probabilities: ``exp(z_k) / Σ_j exp(z_j)``.

    The largest score of a row is subtracted first: the ratio stays the same and nothing overflows.
    """
    Z = by_columns(Z)
    exponentials = np.exp(Z - Z.max(axis=1, keepdims=True))
    P: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return P


def drop(A: Floats, dropout: float, rng: np.random.Generator | None) -> Floats:
    """Set a random fraction of the activations to 0, and divide the others by ``1 - dropout``.

    No neuron can then rely on another; the division preserves the expected value. (Srivastava et
    al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 10.)
    """
    if not dropout or rng is None:
        return A
    return A * ((rng.random(A.shape, np.float32) >= dropout) / A.dtype.type(1 - dropout))


def slope(A: Floats, activation: Activation, dropout: float = 0.0) -> Array:
    """Compute the slope of hidden activations: ``A > 0`` (ReLU) or ``A (1 - A)`` (sigmoid)."""
    # What dropout divided is divided here too; where it set A to 0, both slopes are 0 anyway.
    if activation == "relu":
        return (A > 0) / A.dtype.type(1 - dropout) if dropout else A > 0
    return A * (1 - (1 - dropout) * A if dropout else 1 - A)


@requires(checks.check_input, checks.check_dropout)
def forward_prop(
    network: Network, X: Floats, *, dropout: float = 0.0, rng: Rng | None = None
) -> list[Floats]:
    """Compute every layer's activations, from ``A[0] = X`` on: ``A[l+1] = g(A[l] @ w[l] + b[l])``.

    Parameters
    ----------
    network : Network
    X : (N, n_in) array
        One image per row, pixels from 0 to 1.
    dropout, rng : float, and numpy.random.Generator or int
        The fraction of hidden activations to `drop`, below 1, and the randomness (or seed) for it.

    Returns
    -------
    list of arrays
        ``[X, A1, …, P]``, each ``(N, neurons)``. ``P`` holds the probabilities: its rows sum to 1.

    Raises
    ------
    TypeError, ValueError
        If the network, ``X`` and its type, or dropout and ``rng`` do not fit together.
    """
    g = relu if network.activation == "relu" else sigmoid
    rng = np.random.default_rng(rng) if dropout else None
    A = [X]
    for w, b in zip(network.w[:-1], network.b[:-1], strict=True):
        A.append(drop(g(matmul(A[-1], w) + b), dropout, rng))
    P = softmax(matmul(A[-1], network.w[-1]) + network.b[-1])
    return [*A, P]


@requires(checks.check_probabilities)
def cross_entropy(probabilities: Floats, Y: Integers) -> float:
    """Average ``-log p`` over the batch, where ``p`` is the probability of the true label.

    A perfect prediction scores 0, ten equal guesses score ``log 10 ≈ 2.303``. A probability of 0
    counts as the smallest normal number of its type, so the loss stays finite.

    Parameters
    ----------
    probabilities, Y : (N, classes) array and (N,) integer array
        The last of the arrays that `forward_prop` returns, and the true labels.

    Raises
    ------
    TypeError, ValueError
        If there is not one label in range for each row.
    """
    p = probabilities[np.arange(len(Y)), Y]
    return float(-np.log(np.maximum(p, np.finfo(p.dtype).tiny)).mean())


def deltas(
    network: Network, activations: list[Floats], Y: Integers, *, dropout: float = 0.0
) -> list[Floats]:
    """Propagate the error back from layer to layer: the first half of `backward_prop`.

    A layer's delta, ``dZ``, is the derivative of each image's own loss with respect to its ``Z``.
    For softmax with cross-entropy, the last is ``P - Y``, ``Y`` one-hot. Returns ``[dZ1, …]``.
    """
    *A, P = activations
    dZ: Floats = P - np.eye(P.shape[1], dtype=P.dtype)[Y]
    every_dZ = [dZ]
    for layer in reversed(range(1, len(network.w))):
        dZ = matmul(dZ, network.w[layer].T) * slope(A[layer], network.activation, dropout)
        every_dZ.insert(0, dZ)
    return every_dZ


@requires(checks.check_activations, checks.check_fraction_dropped)
def backward_prop(
    network: Network, activations: list[Floats], Y: Integers, *, dropout: float = 0.0
) -> Gradients:
    """Apply the chain rule from the loss back to every parameter.

    `deltas` gives the ``dZ`` of every layer; its parameters get means over the batch. (Rumelhart,
    Hinton and Williams 1986, "Learning representations by back-propagating errors".)

    Parameters
    ----------
    network : Network
    activations, dropout : list of arrays and float
        What ``forward_prop(network, X)`` returned, and the fraction that it dropped.
    Y : (N,) integer array
        The true labels of the rows of ``X``.

    Raises
    ------
    TypeError, ValueError
        If there is not one array for each layer, or not one label in range for each row.
    """
    every_dZ, N = deltas(network, activations, Y, dropout=dropout), len(Y)
    dw = [matmul(A.T, dZ / N, order="F") for A, dZ in zip(activations[:-1], every_dZ, strict=True)]
    db = [dZ.sum(axis=0) / N for dZ in every_dZ]
    return Gradients(dw, db)


@requires(checks.check_digits)
def input_gradient(network: Network, X: Floats, Y: Integers) -> Floats:
    """Differentiate each image's own loss with respect to its pixels: ``(N, n_in)``.

    It shows what the network looks at (after Simonyan et al. 2013, "Deep inside convolutional
    networks", section 3); a step along its sign misleads the network (Goodfellow et al. 2015,
    "Explaining and harnessing adversarial examples", section 4).

    Parameters
    ----------
    network : Network
    X, Y : (N, n_in) array and (N,) integer array
        Images, one per row, and their labels.

    Raises
    ------
    TypeError, ValueError
        If X, Y and the network do not fit each other.
    """
    dZ, *_ = deltas(network, forward_prop.unchecked(network, X), Y)
    return matmul(dZ, network.w[0].T)
