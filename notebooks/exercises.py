"""Checks for the exercises at the end of the notebooks.

Each check tries an answer on small numbers and says that it is right, or what is wrong with it. The
answers are in ``solutions``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnist_nn import sigmoid


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; a notebook shows the message.

    Attributes
    ----------
    right : bool or None
        None as long as there is no answer.
    message : str
        One sentence.
    """

    right: bool | None
    message: str

    def __repr__(self) -> str:
        return self.message


NOT_YET = Verdict(None, "Not yet done: put your answer in the place of the dots.")


def judge(
    answer: Callable[..., Any] | Any,
    right: Callable[..., ArrayLike],
    mistakes: dict[str, Callable[..., ArrayLike]],
    *arguments: Any,
) -> Verdict:
    """Compare an answer with the right one, and with what common mistakes would give.

    Parameters
    ----------
    answer : callable
        The reader's function.
    right : callable
        The function that it should be.
    mistakes : dict
        For each common mistake what to tell the reader, and the function that makes it.
    *arguments
        What all of them are called with.
    """
    try:
        came = answer(*arguments)
    except Exception as error:  # whatever the reader's code may raise
        return Verdict(False, f"It stops with {type(error).__name__}: {error}")
    if came is ... or came is None:
        return NOT_YET
    expected = np.asarray(right(*arguments))
    try:
        came = np.asarray(came, dtype=np.float64)
    except (TypeError, ValueError):
        return Verdict(False, f"It should give numbers, and gives {came!r}.")
    if _same(came, expected):
        return Verdict(True, "Right.")
    for message, mistake in mistakes.items():
        if _same(came, np.asarray(mistake(*arguments))):
            return Verdict(False, message)
    if came.shape != expected.shape:
        return Verdict(False, f"The shape should be {expected.shape}, and yours is {came.shape}.")
    if _same(-came, expected):
        return Verdict(False, "The sign is wrong, and all else is right.")
    return Verdict(
        False,
        f"Not right: for example, it should give {expected.flat[0]:.4g}, not {came.flat[0]:.4g}.",
    )


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-8, equal_nan=True)


# 02 · A two-layer network


def check_sigmoid_slope(answer: Callable[[Any], Any]) -> Verdict:
    """Check a function of activations A = sigmoid(Z) that gives the sigmoid's slope at Z."""
    A = sigmoid(np.array([[-2.0, 0.5], [1.0, 3.0]]))
    return judge(
        answer,
        lambda A: A * (1 - A),
        {
            "That is the slope at Z = A: the function is given the activations, not Z.": lambda A: (
                sigmoid(A) * (1 - sigmoid(A))
            ),
        },
        A,
    )


# 03 · Number recognition


# 04 · Evaluation


# 05a · Learning faster


def _on_copies(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Let an answer change its arguments in place, which is no mistake."""

    def on_copies(*arguments: Any) -> Any:
        return answer(*(a.copy() if isinstance(a, np.ndarray) else a for a in arguments))

    return on_copies


def check_uniform_limit(answer: Callable[[int], Any]) -> Verdict:
    """Check a function of n_in that gives the limit of uniform weights with He's variance."""
    return judge(
        answer,
        lambda n: np.sqrt(6 / n),
        {
            "That is the standard deviation. Uniform weights reach further: the variance is a²/3.": (
                lambda n: np.sqrt(2 / n)
            ),
            "That is the variance of the weights, not their limit.": lambda n: 2 / n,
            "That is the limit squared: take the root.": lambda n: 6 / n,
            "That limit gives the variance 1/n_in, and He's rule wants 2/n_in.": (
                lambda n: np.sqrt(3 / n)
            ),
            "The variance is a²/3, if the weights go from -a to a: half the width is a.": (
                lambda n: np.sqrt(24 / n)
            ),
        },
        784,
    )


def check_momentum_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of p, v, g, the rate and mu that makes a step with Nesterov's momentum."""

    def step(p: Any, v: Any, g: Any, rate: float, mu: float) -> tuple[Any, Any]:
        v = mu * v + g
        return p - rate * (g + mu * v), v

    return judge(
        _on_copies(answer),
        step,
        {
            "The step uses the old v: that is classical momentum. Nesterov's uses the new one.": (
                lambda p, v, g, rate, mu: (p - rate * (mu * v + g), mu * v + g)
            ),
            "The step is right, but v comes back as it was: the next step needs the new one.": (
                lambda p, v, *more: (step(p, v, *more)[0], v)
            ),
            "The step is right: return the new v as well, p first.": lambda *all: step(*all)[0],
            "Both are right, in the wrong order: return p, v.": lambda *all: step(*all)[::-1],
            "It goes uphill: p should lose the step.": lambda p, *more: (
                2 * p - step(p, *more)[0],
                step(p, *more)[1],
            ),
            "The learning rate belongs to the step; v collects the gradients as they are.": (
                lambda p, v, g, rate, mu: (
                    p - (rate * g + mu * (mu * v + rate * g)),
                    mu * v + rate * g,
                )
            ),
            "With 1 - mu, v is a mean of the gradients, as in Adam: here g is added whole.": (
                lambda p, v, g, rate, mu: (
                    p - rate * (g + mu * (mu * v + (1 - mu) * g)),
                    mu * v + (1 - mu) * g,
                )
            ),
        },
        np.array([1.0, -2.0, 0.5]),
        np.array([0.3, -0.1, 0.2]),
        np.array([0.2, 0.4, -0.6]),
        0.1,
        0.9,
    )


def check_adam_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of p, m, v, g, t and the rate that makes a step of Adam."""

    def adam(
        correct_m: Callable[[Any, int], Any] = lambda m, t: m / (1 - 0.9**t),
        correct_v: Callable[[Any, int], Any] = lambda v, t: v / (1 - 0.999**t),
        divide: Callable[[Any, Any], Any] = lambda m, v: m / (np.sqrt(v) + 1e-8),
        square: Callable[[Any], Any] = np.square,
        fractions: tuple[float, float] = (0.1, 0.001),
        returned: Callable[..., Any] = lambda p, m, v, *_: (p, m, v),
    ) -> Callable[..., Any]:
        def step(p: Any, m: Any, v: Any, g: Any, t: int, rate: float) -> Any:
            m = 0.9 * m + fractions[0] * g
            v = 0.999 * v + fractions[1] * square(g)
            m_hat, v_hat = correct_m(m, t), correct_v(v, t)
            return returned(p - rate * divide(m_hat, v_hat), m, v, m_hat, v_hat)

        return step

    def as_it_is(moment: Any, _: int) -> Any:
        return moment

    return judge(
        _on_copies(answer),
        adam(),
        {
            "The bias correction is missing: divide m by 1 - 0.9ᵗ, and v by 1 - 0.999ᵗ.": (
                adam(as_it_is, as_it_is)
            ),
            "m is corrected, and v is not: divide it by 1 - 0.999ᵗ.": adam(correct_v=as_it_is),
            "v is corrected, and m is not: divide it by 1 - 0.9ᵗ.": adam(correct_m=as_it_is),
            "In the correction t is one too large: the first step has t = 1 already.": adam(
                lambda m, t: m / (1 - 0.9 ** (t + 1)), lambda v, t: v / (1 - 0.999 ** (t + 1))
            ),
            "In the correction t is a factor; it should be a power, 1 - 0.9ᵗ.": adam(
                lambda m, t: m / ((1 - 0.9) * t), lambda v, t: v / ((1 - 0.999) * t)
            ),
            "The step is right, but m and v come back corrected, and would be corrected again.": (
                adam(returned=lambda p, _m, _v, m_hat, v_hat: (p, m_hat, v_hat))
            ),
            "The step is right: return m and v as well.": adam(returned=lambda p, *_: p),
            "v should collect the squares of the gradient, g².": adam(square=lambda g: g),
            "The new gradients count too much: g goes in times 0.1, and g² times 0.001.": adam(
                fractions=(1, 1)
            ),
            "The root of v is missing.": adam(divide=lambda m, v: m / (v + 1e-8)),
            "The 1e-8 is added to the root of v, not under it.": adam(
                divide=lambda m, v: m / np.sqrt(v + 1e-8)
            ),
        },
        np.array([1.0, -2.0, 0.5]),
        np.array([0.02, -0.04, 1e-5]),
        np.array([0.0002, 0.0004, 1e-12]),
        np.array([0.2, -0.1, 1e-5]),
        3,
        0.01,
    )


def check_schedule(answer: Callable[[float], Any]) -> Verdict:
    """Check a function of the fraction done that gives the factor of a cosine with a warm-up."""

    def half_cosine(fraction: float) -> float:
        return float(0.5 + 0.5 * np.cos(np.pi * fraction))

    def schedule(done: float) -> float:
        return done / 0.05 if done < 0.05 else half_cosine((done - 0.05) / 0.95)

    mistakes: dict[str, Any] = {
        "The warm-up reaches 0.05, not 1: divide by its length.": (
            lambda done: done if done < 0.05 else schedule(done)
        ),
        "The cosine starts at the beginning, not after the warm-up, so the factor jumps.": (
            lambda done: schedule(done) if done < 0.05 else half_cosine(done)
        ),
        "The warm-up is missing: the factor rises from 0 to 1 over the first twentieth.": (
            half_cosine
        ),
        "The cosine comes too late to its end: what is left after the warm-up is 0.95.": (
            lambda done: schedule(done) if done < 0.05 else half_cosine(done - 0.05)
        ),
        "A cosine goes from 1 to -1: halve it and add 1/2, or training would go uphill.": (
            lambda done: np.cos(np.pi * (done - 0.05) / 0.95)
        ),
        "That is a quarter of a period: half a period, up to π, is flat at both ends.": (
            lambda done: np.cos(np.pi / 2 * (done - 0.05) / 0.95)
        ),
        "That is a whole period, which ends where it began: half of one ends at 0.": (
            lambda done: half_cosine(2 * (done - 0.05) / 0.95)
        ),
    }
    verdicts = [judge(answer, schedule, mistakes, done) for done in (0.02, 0.05, 0.3, 0.8, 1.0)]
    return next((verdict for verdict in verdicts if not verdict.right), verdicts[-1])


# 05b · Overfitting less


def check_decayed_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of w, g, the rate and the decay: a step with decoupled weight decay."""
    return judge(
        _on_copies(answer),
        lambda w, g, rate, decay: (1 - rate * decay) * w - rate * g,
        {
            "That is the step without decay.": lambda w, g, rate, _: w - rate * g,
            "The weights should shrink by rate · decay of themselves, and shrink by decay.": (
                lambda w, g, rate, decay: (1 - decay) * w - rate * g
            ),
            "The weights grow: the decay has the wrong sign.": (
                lambda w, g, rate, decay: (1 + rate * decay) * w - rate * g
            ),
            "The step shrinks as well: let the weights decay first.": (
                lambda w, g, rate, decay: (1 - rate * decay) * (w - rate * g)
            ),
            "Every weight loses the same: it should lose a fraction of itself.": (
                lambda w, g, rate, decay: w - rate * decay - rate * g
            ),
            "That pulls by the sign of a weight (L1): it should lose a fraction of itself.": (
                lambda w, g, rate, decay: w - rate * decay * np.sign(w) - rate * g
            ),
        },
        np.array([[1.0, -2.0], [0.5, 3.0]]),
        np.array([[0.2, 0.4], [-0.6, 0.1]]),
        0.1,
        0.3,
    )


def check_inverted_dropout(answer: Callable[..., Any]) -> Verdict:
    """Check a function of A, the fraction to drop and random numbers: dropout with its division."""
    return judge(
        _on_copies(answer),
        lambda A, dropout, random: A * (random >= dropout) / (1 - dropout),
        {
            "The activations left are not divided by 1 - dropout: on average, A shrinks.": (
                lambda A, dropout, random: A * (random >= dropout)
            ),
            "It keeps the activations that should be dropped, and drops the others.": (
                lambda A, dropout, random: A * (random < dropout) / (1 - dropout)
            ),
            "Divide by the fraction that is kept, 1 - dropout, not by the one that is dropped.": (
                lambda A, dropout, random: A * (random >= dropout) / dropout
            ),
            "Multiplied by 1 - dropout, what is left shrinks even more: divide.": (
                lambda A, dropout, random: A * (random >= dropout) * (1 - dropout)
            ),
            "Of this batch the mean is right, but dividing by the fraction that happened to be "
            "kept makes the images depend on each other: divide by 1 - dropout.": (
                lambda A, dropout, random: A * (random >= dropout) / (random >= dropout).mean()
            ),
        },
        np.array([[1.0, 2.0, 0.5], [3.0, 0.2, 1.5]]),
        0.25,
        np.array([[0.1, 0.9, 0.3], [0.2, 0.24, 0.7]]),
    )


def check_best_epoch(answer: Callable[..., Any]) -> Verdict:
    """Check a function of validation losses and the patience that gives the epoch kept, from 1."""
    losses = np.array([5.0, 3.0, 4.0, 3.5, 2.5, 2.7, 2.6, 2.8, 1.0])
    verdict = judge(
        _on_copies(answer),
        lambda *_: 5,
        {
            "Training has stopped before the lowest loss of all: with a patience of 3, the loss may "
            "miss a new minimum 3 times in a row, and no more.": lambda *_: 9,
            "That is when training stops; the network kept is the one of the minimum.": (
                lambda *_: 8
            ),
            "Epochs count from 1.": lambda *_: 4,
            "It gives up too early: with a patience of 3, two epochs without a new minimum are "
            "no reason to stop.": lambda *_: 2,
            "That is the loss at the minimum, not its epoch.": lambda *_: 2.5,
        },
        losses,
        3,
    )
    falling = judge(_on_copies(answer), lambda *_: 3, {}, np.array([3.0, 2.0, 1.0]), 3)
    if verdict.right and not falling.right:
        return Verdict(False, "Where the loss falls to the end, the last epoch should be kept.")
    return verdict


def check_bilinear(answer: Callable[..., Any]) -> Verdict:
    """Check a function of an image, a row and a column that weights the four pixels around."""
    image = np.array([[0.1, 0.9, 0.3, 0.4], [0.8, 0.2, 0.7, 0.0], [0.6, 0.5, 0.15, 1.0]])

    def itself(fraction: float) -> float:
        return fraction

    def weighted(
        swap: bool = False,
        down: Callable[[float], float] = itself,
        right: Callable[[float], float] = itself,
    ) -> Callable[..., Any]:
        def bilinear(image: Any, row: Any, column: Any) -> Any:
            r, c = int(row), int(column)
            d, s = down(row - r), right(column - c)
            if swap:
                d, s = s, d
            top = (1 - s) * image[r, c] + s * image[r, c + 1]
            bottom = (1 - s) * image[r + 1, c] + s * image[r + 1, c + 1]
            return (1 - d) * top + d * bottom

        return bilinear

    def other(fraction: float) -> float:
        return 1 - fraction

    return judge(
        _on_copies(answer),
        weighted(),
        {
            "That is the nearest pixel alone.": lambda image, r, c: image[round(r), round(c)],
            "That is the pixel above and to the left alone: three others have a share.": (
                lambda image, r, c: image[int(r), int(c)]
            ),
            "The four pixels have equal shares: the nearer one should have more.": (
                weighted(down=lambda _: 0.5, right=lambda _: 0.5)
            ),
            "Down and right are swapped: the row's fraction goes with the row.": weighted(True),
            "The weights are the wrong way round: the nearer pixel should have more.": (
                weighted(False, other, other)
            ),
            "The weights of the rows are the wrong way round.": weighted(False, other),
            "The weights of the columns are the wrong way round.": weighted(right=other),
            "The row is rounded: two rows have a share.": weighted(down=lambda _: 0),
            "The column is rounded: two columns have a share.": weighted(right=lambda _: 0),
        },
        image,
        1.2,
        1.6,
    )
