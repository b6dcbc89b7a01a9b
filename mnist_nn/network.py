"""A fully connected neural network: what it is, what it computes, and its gradient.

Every function is pure: arrays in, arrays out, nothing stored and no input changed. Samples are
rows, so a layer computes ``Z = A @ w + b``; texts that keep samples as columns write the same
layer ``z = W·x + b``, where ``W`` is the transpose of ``w``.
"""

import numbers
from collections.abc import Sequence
from functools import partial
from itertools import pairwise, repeat
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mnist_nn.parallel import one_blas_thread, share

Floats: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.integer[Any]]
Activation: TypeAlias = Literal["relu", "sigmoid"]


class Network(NamedTuple):
    """The parameters of a network and the activation of its hidden layers.

    Attributes
    ----------
    w : list of arrays
        Weights, one ``(n_in, n_out)`` a layer. Products are fastest where the weights of a neuron,
        a column, lie side by side in memory (Fortran order), and so they do in every network made
        here.
    b : list of arrays
        Biases, one ``(n_out,)`` a layer.
    activation : {"relu", "sigmoid"}
        The hidden activation; the output layer is always a softmax.
    """

    w: list[Floats]
    b: list[Floats]
    activation: Activation

    @property
    def neuron_layers(self) -> list[int]:
        """The number of neurons of each layer, from the pixels to the digits."""
        return [len(self.w[0]), *(len(b) for b in self.b)]

    def __repr__(self) -> str:
        layers = " → ".join(map(str, self.neuron_layers))
        parameters = sum(p.size for p in [*self.w, *self.b])
        return f"Network({layers}, {self.activation}, {parameters:,} parameters)"


class Gradients(NamedTuple):
    """The derivative of the mean loss by every parameter, in the shapes of the parameters."""

    dw: list[Floats]
    db: list[Floats]


def init_params(
    neuron_layers: Sequence[int],
    activation: Activation = "relu",
    *,
    rng: np.random.Generator | int,
) -> Network:
    """Make a network with random weights and zero biases, in float32.

    The spread of the weights decides how the size of the signal changes from layer to layer. For
    ReLU it is kept by a normal distribution of variance ``2 / n_in`` (He et al. 2015, "Delving deep
    into rectifiers", eq. 10). For the sigmoid the weights are uniform within
    ``±sqrt(6 / (n_in + n_out))`` (Glorot and Bengio 2010, "Understanding the difficulty of training
    deep feedforward neural networks", eq. 16), derived for activations of slope 1 at 0; the slope
    of the sigmoid is 1/4 there, so that its signal still fades, but from a sound start.

    Parameters
    ----------
    neuron_layers : sequence of int
        Neurons of each layer: inputs, any number of hidden layers, outputs; ``[784, 10, 10]``.
    activation : {"relu", "sigmoid"}
        The activation of the hidden layers.
    rng : numpy.random.Generator or int
        The source of randomness, or a seed for one; the same seed gives the same network.

    Raises
    ------
    ValueError
        For fewer than two layers, a layer without neurons, or an unknown activation.
    """
    check_activation(activation)
    if len(neuron_layers) < 2 or any(n < 1 for n in neuron_layers):
        raise ValueError(
            "neuron_layers must name at least an input and an output layer of one neuron or more, "
            f"such as [784, 64, 32, 10], not {list(neuron_layers)}"
        )
    rng = np.random.default_rng(rng)
    w: list[Floats] = []
    for n_in, n_out in pairwise(neuron_layers):
        if activation == "relu":
            weights = rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out))
        else:
            limit = np.sqrt(6 / (n_in + n_out))
            weights = rng.uniform(-limit, limit, (n_in, n_out))
        w.append(weights.astype(np.float32, order="F"))
    b: list[Floats] = [np.zeros(n_out, np.float32) for n_out in neuron_layers[1:]]
    return Network(w, b, activation)


def relu(Z: Floats) -> Floats:
    """Rectify: ``max(0, z)`` for each element."""
    return np.maximum(Z, 0)


def sigmoid(Z: Floats) -> Floats:
    """Squash each element into (0, 1): ``1 / (1 + exp(-z))``.

    Written as the equal ``(1 + tanh(z / 2)) / 2``, which no ``z`` can make overflow.
    """
    return (1 + np.tanh(Z / 2)) / 2


def softmax(Z: Floats) -> Floats:
    """Turn each row of scores into probabilities: ``exp(z_k) / Σ_j exp(z_j)``.

    The largest score of a row is taken from all of it first. That changes nothing in the ratio,
    and leaves no exponent above 0 that could overflow.
    """
    Z = np.asfortranarray(Z)  # NumPy reduces ten long columns faster than many short rows.
    exponentials = np.exp(Z - Z.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def matmul(A: Floats, B: Floats) -> Floats:
    """Multiply two matrices, ``A @ B``, in parts where that is faster.

    OpenBLAS first copies both matrices into an order of its own, unless the product is small: up to
    100³ multiplications, and on some processors up to 1200 results. For a layer of ten neurons the
    copy takes longer than the product, and blocks of sixty rows do without it. A large product is
    shared by the cores: each 300³ multiplications are worth a thread.
    """
    (m, k), n, rows = A.shape, B.shape[1], 60
    product: Floats
    if m * k * n > 100**3 and m % rows == 0 and rows * k * n < 100**3 and rows * n <= 1200:
        # The rows of A in blocks: each gives rows of the product.
        product = (A.reshape(-1, rows, k) @ B).reshape(m, n)
    elif m * k * n > 100**3 and k % rows == 0 and m * rows * n < 100**3:
        # The sum over k in blocks: each gives a part of every number of the product.
        parts = A.T.reshape(-1, rows, m).swapaxes(1, 2) @ B.reshape(-1, rows, n)
        product = parts.sum(axis=0)
    elif m * k * n >= 2 * 300**3:
        # The rows of A or the columns of B in parts: each gives as much of the product.
        product = np.empty((m, n), np.result_type(A, B))
        with one_blas_thread() as cores:
            cut = partial(np.array_split, indices_or_sections=min(cores, m * k * n // 300**3))
            if n > m:
                shares = zip(repeat(A), cut(B, axis=1), cut(product, axis=1), strict=False)
            else:
                shares = zip(cut(A), repeat(B), cut(product), strict=False)
            share([partial(np.matmul, *arrays) for arrays in shares])
    else:
        product = A @ B
    return product


def forward_prop(
    network: Network,
    X: Floats,
    *,
    dropout: float = 0.0,
    rng: np.random.Generator | int | None = None,
) -> list[Floats]:
    """Compute every layer's activations, ``A[l] = g(A[l-1] @ w[l] + b[l])``.

    Parameters
    ----------
    network : Network
    X : (N, n_in) array
        One digit a row, pixels from 0 to 1.
    dropout : float
        The probability of each hidden activation to be set to 0; the others are divided by
        ``1 - dropout``, which keeps their expectation. Only training does that: no neuron can then
        rely on another one being there. (Srivastava et al. 2014, "Dropout: a simple way to
        prevent neural networks from overfitting", with the scaling of its section 10.)
    rng : numpy.random.Generator or int, optional
        The source of dropout's randomness, or a seed for one; needed for nothing else.

    Returns
    -------
    list of arrays
        ``[X, A1, …, probabilities]``, each ``(N, neurons)``; every row of the last sums to 1.
        float64 parameters and pixels give float64 results.

    Raises
    ------
    ValueError
        If ``X`` is not ``(N, n_in)`` or holds whole numbers, the activation is unknown, dropout is
        not from 0 up to below 1, or there is dropout without an ``rng``.
    """
    check_pixels(X, len(network.w[0]))
    check_activation(network.activation)
    check_number("dropout", dropout, 0, 1)
    activate = relu if network.activation == "relu" else sigmoid
    if dropout and rng is None:
        raise ValueError("dropout is random and needs a source, not None; pass rng, such as 0")
    random = np.random.default_rng(rng).random if dropout else None
    activations = [X]
    for w, b in zip(network.w[:-1], network.b[:-1], strict=True):
        A = activate(matmul(activations[-1], w) + b)
        if random:
            A *= (random(A.shape, np.float32) >= dropout) / A.dtype.type(1 - dropout)
        activations.append(A)
    activations.append(softmax(matmul(activations[-1], network.w[-1]) + network.b[-1]))
    return activations


def check_digits(network: Network, X: Floats, Y: Integers) -> None:
    """Raise unless the network is sound, and ``X`` and ``Y`` are digits and labels that fit it."""
    check_network(network)
    check_pixels(X, network.neuron_layers[0])
    check_labels(Y, len(X), network.neuron_layers[-1])
    if not np.isfinite(X).all():
        raise ValueError("X must hold finite pixels, not NaN or infinity; look where it comes from")


def check_network(network: Network) -> None:
    """Raise unless the layers chain, the numbers are finite and the activation is known."""
    if not isinstance(network, Network):
        raise TypeError(
            f"expected a Network, not {type(network).__name__}; init_params and load_model return "
            "one, and train returns a pair, (network, history)"
        )
    w, b, activation = network
    check_activation(activation)
    shapes = [p.shape for p in [*w, *b]]
    widths = [n for p in [*w[:1], *b] for n in p.shape[:1]]
    if not w or shapes != [*pairwise(widths), *((n_out,) for n_out in widths[1:])]:
        raise ValueError(
            "a network needs a w of shape (n_in, n_out) and a b of shape (n_out,) for each layer, "
            f"each n_in the n_out before it, not {shapes}; give all of its layers, in order"
        )
    types = {str(p.dtype) for p in [*w, *b]}
    if types != {"float32"} and types != {"float64"}:
        raise ValueError(
            f"a network needs float32 or float64 parameters throughout, not {sorted(types)}; "
            "convert each w and b with astype(np.float32)"
        )
    if not all(np.isfinite(p).all() for p in [*w, *b]):
        raise ValueError(
            "a network needs finite parameters, but one is NaN or infinite; train it again with a "
            "lower learning rate"
        )


def check_activation(activation: str) -> None:
    """Raise ValueError unless it is the name of an activation."""
    if activation not in get_args(Activation):
        raise ValueError(
            f'activation must be "relu" or "sigmoid", not {activation!r}; choose one of the two'
        )


def check_number(name: str, value: float, lowest: float, limit: float = np.inf) -> None:
    """Raise ValueError unless it is a number from ``lowest`` up to below ``limit``."""
    if not isinstance(value, numbers.Real) or not lowest <= value < limit:
        bounds = f"{lowest} up" if limit == np.inf else f"{lowest} up to below {limit}"
        raise ValueError(f"{name} must be a number from {bounds}, not {value!r}; choose another")


def check_array(values: object) -> None:
    """Raise TypeError unless it is a NumPy array: a pandas Series is not indexed by position."""
    if not isinstance(values, np.ndarray):
        raise TypeError(
            f"expected a NumPy array, not {type(values).__name__}; convert it with np.asarray"
        )


def check_pixels(X: Floats, n_in: int) -> None:
    """Raise unless ``X`` is an array of rows of ``n_in`` floats."""
    check_array(X)
    if X.ndim != 2 or X.shape[1] != n_in:
        raise ValueError(
            f"X must have one digit a row, shape (N, {n_in}), not {X.shape}; "
            "reshape a single digit with X.reshape(1, -1), turn columns into rows with X.T"
        )
    if X.dtype.kind != "f":
        raise ValueError(
            f"X must hold fractions from 0 to 1, not {X.dtype}; divide pixels by 255 first"
        )


def check_labels(Y: Integers, rows: int, classes: int) -> None:
    """Raise unless ``Y`` is an array of a label from 0 to ``classes - 1`` for each of the rows."""
    check_array(Y)
    if Y.shape != (rows,) or Y.dtype.kind not in "iu":
        raise ValueError(
            f"expected one integer label for each of {rows} digits, shape ({rows},), not "
            f"{Y.dtype} of shape {Y.shape}; turn one-hot rows into labels with argmax(axis=1)"
        )
    if rows == 0:
        raise ValueError("expected the labels of one digit or more, not of none; check the data")
    if not 0 <= Y.min() <= Y.max() < classes:
        raise ValueError(
            f"expected labels from 0 to {classes - 1}, one for each output of the network, not "
            f"{Y.min()} to {Y.max()}; number the classes from 0 or make the last layer wider"
        )


def one_hot(Y: Integers, classes: int = 10) -> Floats:
    """Write each label as a row, 1 at the label and 0 elsewhere: ``(N,)`` to ``(N, classes)``."""
    check_labels(Y, len(Y), classes)
    return np.eye(classes, dtype=np.float32)[Y]


def cross_entropy(probabilities: Floats, Y: Integers) -> float:
    """Mean over the batch of ``-log p``, where ``p`` is the probability of the true label.

    A perfect prediction scores 0, ten equal guesses score ``log 10 ≈ 2.303``. A probability that
    has underflowed to 0 counts as the smallest normal number of its type: the loss stays finite.

    Parameters
    ----------
    probabilities : (N, classes) array
        The last of the activations that ``forward_prop`` returns.
    Y : (N,) integer array
        The true labels.

    Raises
    ------
    ValueError
        If there is not one label in range for each row.
    """
    check_labels(Y, *probabilities.shape)
    p = probabilities[np.arange(len(Y)), Y]
    return float(-np.log(np.maximum(p, np.finfo(p.dtype).tiny)).mean())


def backward_prop(
    network: Network,
    activations: list[Floats],
    Y: Integers,
    *,
    dropout: float = 0.0,
    batch_size: int | None = None,
) -> Gradients:
    """Apply the chain rule from the loss back to every parameter.

    Let ``dZ`` be the derivative of the mean loss by a layer's ``Z = A @ w + b``. Softmax followed
    by cross-entropy makes the last one simply ``(P - Y) / N``, with ``Y`` one-hot. Each layer then
    gives ::

        dw = A.T @ dZ                        Z depends on w through A
        db = dZ summed over the batch        every digit's Z has the same b
        dZ_before = (dZ @ w.T) * g'(Z_before)

    and the slope ``g'`` is known from the activation alone: ``A > 0`` for ReLU (0 at the kink),
    ``A (1 - A)`` for the sigmoid. (Rumelhart, Hinton and Williams 1986, "Learning representations
    by back-propagating errors".)

    Parameters
    ----------
    network : Network
    activations : list of arrays
        What ``forward_prop(network, X)`` returned.
    Y : (N,) integer array
        The true labels of the rows of ``X``.
    dropout : float
        The one that ``forward_prop`` was given. Which activations it dropped is seen from them:
        they are 0, where both slopes are 0 too.
    batch_size : int, optional
        The number of digits that the loss is the mean of, where these are only some of them: the
        gradients of all parts then add up to that of the whole. Default: these are all.

    Raises
    ------
    ValueError
        If there is not one label in range for each row.
    """
    *inputs, probabilities = activations
    check_labels(Y, *probabilities.shape)
    N = len(Y) if batch_size is None else batch_size
    dZ = probabilities / N  # and less 1/N at the label: (P - Y) / N with Y one-hot
    dZ[np.arange(len(Y)), Y] -= 1 / N
    dw: list[Floats] = []
    db: list[Floats] = []
    for layer in reversed(range(len(network.w))):
        A = inputs[layer]
        dw.insert(0, matmul(dZ.T, A).T)  # A.T @ dZ, with the memory order of w
        db.insert(0, dZ.sum(axis=0))
        if layer > 0:
            if dropout:
                A = A * A.dtype.type(1 - dropout)  # as it came from the activation function
            slope = A > 0 if network.activation == "relu" else A * (1 - A)
            dZ = matmul(dZ, network.w[layer].T) * slope
            if dropout:
                dZ /= A.dtype.type(1 - dropout)
    return Gradients(dw, db)


def input_gradient(network: Network, X: Floats, Y: Integers) -> Floats:
    """Apply the chain rule back to the pixels: what more ink would do to the loss of each digit.

    Where the gradient is positive, more ink makes the network less sure of the label. Its size
    shows what the network looks at (Simonyan, Vedaldi and Zisserman 2013, "Deep inside
    convolutional networks", section 3); a small step along its sign misleads the network
    (Goodfellow, Shlens and Szegedy 2014, "Explaining and harnessing adversarial examples",
    section 4).

    Parameters
    ----------
    network : Network
    X : (N, n_in) array
        Digits, one a row.
    Y : (N,) integer array
        Their labels.

    Returns
    -------
    (N, n_in) array
        For each digit the derivative of its own cross-entropy, not of the mean, by its pixels.

    Raises
    ------
    ValueError
        If X, Y and the network do not fit each other.
    """
    check_digits(network, X, Y)
    _, *hidden, probabilities = forward_prop(network, X)
    dZ = probabilities.copy()
    dZ[np.arange(len(Y)), Y] -= 1
    for A, w in zip(reversed(hidden), reversed(network.w), strict=False):
        dZ = (dZ @ w.T) * (A > 0 if network.activation == "relu" else A * (1 - A))
    gradient: Floats = dZ @ network.w[0].T
    return gradient
