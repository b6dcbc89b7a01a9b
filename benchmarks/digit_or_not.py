"""Train the small network that tells one digit from everything else, models/digit_or_not.npz.

A network that was shown nothing but digits gives one of ten answers to anything, often with
confidence. So a second one is shown both: MNIST's training digits, and printed ones; and letters,
pairs of digits, dots, blots, scribbles and frames, made here by a program. All are deformed anew in
each epoch. Letters in the shape of a digit, such as O, I and S, are left out. From the root of the
repository, in a few minutes::

    uv run --locked --all-groups benchmarks/digit_or_not.py

trains on 50,000 training digits, prints which fraction of the other 10,000 and of new non-digits is
doubted, and saves the network. By these numbers `MOST_DOUBT` was chosen. What the network was never
shown, letters in other fonts and by another hand, is measured in ``tests/test_inference.py``.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mnist_nn import (
    DIGIT_OR_NOT,
    MOST_DOUBT,
    SGD,
    cosine,
    deform,
    digest,
    init_params,
    load_mnist,
    predict_proba,
    prepare_strokes,
    save_model,
    split_validation,
    train,
)
from mnist_nn.preparation import place_ink

Array = NDArray[np.float32]
Draw = Callable[[np.random.Generator], Array]

FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "cmr10", "cmss10"]
FONTS += ["DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralItalic", "cmti10"]
LETTERS = "ABCDEFGHJKLMNPQRTUVWXYacdefhkmnprtuvwxy"
PAGE = 200  # the side of a printed page, in pixels
LAYERS = [784, 256, 64, 2]


@cache
def font(name: str) -> ImageFont.FreeTypeFont:
    """Load a font of matplotlib's."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / f"fonts/ttf/{name}.ttf", PAGE // 2)


def cropped(page: Array, axes: tuple[int, ...] = (0, 1)) -> Array:
    """Cut off what has no ink above, below (axis 0), to the left and to the right (axis 1)."""
    for axis in axes:
        inked = np.flatnonzero((page > 0.25).any(axis=1 - axis))
        page = page.take(range(inked[0], inked[-1] + 1), axis)
    return page


def printed(characters: str, rng: np.random.Generator) -> Array:
    """Print one of the characters in one of the fonts, slanted and turned a little."""
    page = Image.new("L", (PAGE, PAGE))
    face = font(str(rng.choice(FONTS)))
    ImageDraw.Draw(page).text(
        (PAGE / 2, PAGE / 2), str(rng.choice([*characters])), 255, face, anchor="mm"
    )
    slant, stretch, turn = rng.uniform(-0.15, 0.4), rng.uniform(0.75, 1.25), rng.normal(0, 0.12)
    cos, sin = np.cos(turn), np.sin(turn)
    back = np.array([[1 / stretch, slant], [0, 1]]) @ [[cos, -sin], [sin, cos]]
    x, y = PAGE / 2 - back @ [PAGE / 2, PAGE / 2]
    points = (*back[0], x, *back[1], y)
    page = page.transform(page.size, Image.Transform.AFFINE, points, Image.Resampling.BILINEAR)
    return place_ink(cropped(np.asarray(page, np.float32) / 255))


def pair(X: Array, rng: np.random.Generator) -> Array:
    """Put two digits side by side, or now and then one above the other, with a gap between them."""
    axis = int(rng.random() < 0.8)
    first, second = (cropped(digit, (axis,)) for digit in rng.choice(X, 2).reshape(2, 28, 28))
    gap = np.zeros((rng.integers(1, 16), 28), np.float32)
    page = np.concatenate([first, gap.T if axis else gap, second], axis=axis)
    return place_ink(np.kron(cropped(page), np.ones((3, 3), np.float32)))


def drawn(kind: str, rng: np.random.Generator) -> Array:
    """Draw a dot, a blot, a scribble or a frame."""
    width, height = rng.uniform(0.3, 0.95, 2)
    turn = rng.normal(0, 0.05)
    if kind == "dot":
        points = np.cumsum(rng.normal(0, 0.006, (rng.integers(1, 5), 2)), axis=0)
    elif kind == "blot":  # to and fro, in rows that lie closer than the pen is wide
        rows = np.arange(max(3, int(height / rng.uniform(0.02, 0.06))))
        across = width * (rows % 2) + rng.normal(0, 0.03, len(rows))
        points, turn = np.stack([across, height * rows / len(rows)], axis=1), rng.uniform(0, np.pi)
    elif kind == "scribble":
        points = along(rng.random((rng.integers(15, 60), 2)), rng)
    else:
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0]])
        points = along(corners, rng)
    points = points @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    points -= points.min(axis=0)
    return prepare_strokes([(points / max(1, points.max())).tolist()])


def along(corners: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Go from corner to corner with an unsteady hand that cuts them a little."""
    at = np.linspace(0, len(corners) - 1, 12 * len(corners))
    window = np.hanning(9) / np.hanning(9).sum()
    axes = (np.interp(at, np.arange(len(corners)), axis) for axis in corners.T)
    axes = (axis + rng.normal(0, 0.02, len(at)) for axis in axes)
    return np.stack([np.convolve(np.pad(a, 4, mode="edge"), window, "valid") for a in axes], axis=1)


def make(draw: Draw, number: int, rng: np.random.Generator) -> Array:
    """Make so many images: ``(number, 784)``."""
    return np.stack([draw(rng).ravel() for _ in range(number)]).astype(np.float32)


def main() -> None:
    """Train, print which fraction of each kind is doubted, and save the network."""
    data, rng = load_mnist(), np.random.default_rng(0)
    (digits, _), (held_out, _) = split_validation(data.train_X, data.train_Y, 10_000, rng=0)
    print_digit: Draw = partial(printed, "0123456789")
    others: dict[str, tuple[Draw, int]] = {
        "letters": (partial(printed, LETTERS), 20_000),
        "pairs": (partial(pair, digits), 6_000),
        **{kind: (partial(drawn, kind), 1_500) for kind in ("dot", "blot", "scribble", "frame")},
    }
    real = np.concatenate([digits, make(print_digit, 8_000, rng)])
    other = np.concatenate([make(draw, number, rng) for draw, number in others.values()])
    # As many as the digits, more or less: each of the others is shown twice in an epoch.
    X, Y = np.concatenate([real, other, other]), np.repeat([0, 1], [len(real), 2 * len(other)])
    network, history = train(
        init_params(LAYERS, rng=rng),
        X,
        Y,
        epochs=15,
        batch_size=256,
        optimizer=SGD(0.1, momentum=0.9, schedule=cosine),
        augment=deform,
        rng=rng,
    )
    new = {"digits": held_out, "printed digits": make(print_digit, 1_000, rng)}
    new |= {kind: make(draw, 500, rng) for kind, (draw, _) in others.items()}
    for kind, images in new.items():
        doubt = predict_proba(network, images)[:, 1]
        print(f"{kind}: {(doubt > MOST_DOUBT).mean():.1%} doubted")
    allowed = np.quantile(predict_proba(network, held_out)[:, 1], [0.98, 0.985, 0.99])
    print(f"doubt that 2, 1.5 and 1% of the digits exceed: {allowed.round(2)}")
    facts = {"seconds": history["seconds"].iloc[-1], "data_digest": digest(data.train_X)}
    save_model(DIGIT_OR_NOT, network, facts, half_precision=True)


if __name__ == "__main__":
    main()
