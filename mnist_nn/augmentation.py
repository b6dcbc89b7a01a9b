"""Deform digits at random, so that a network never meets the same one twice.

A deformed digit is still the same digit, written differently: turned a little, slanted, larger, off
its place, or by a less steady hand. Simard, Steinkraus and Platt (2003, "Best practices for
convolutional neural networks applied to visual document analysis") found nothing that matters more
than to train on such digits too.
"""

import numbers
from functools import lru_cache

import numpy as np

from mnist_nn.network import Floats, check_array, check_number, check_pixels

SIDE = 28


def random_warps(
    number: int,
    *,
    rng: np.random.Generator | int,
    rotation: float = 12,
    scale: float = 0.12,
    shear: float = 0.15,
    shift: float = 0.5,
    elastic: float = 1,
    smoothness: float = 4,
) -> Floats:
    """Draw warps: for each pixel of a deformed digit the point of the original it shows.

    A point is a linear map of the pixel's position, plus a shift, plus a displacement that varies
    smoothly over the digit: random arrows on a coarse grid, blurred by a Gaussian. Without any of
    them, a warp is the identity.

    Parameters
    ----------
    number : int
    rng : numpy.random.Generator or int
        The source of randomness, or a seed for one; the same seed draws the same warps.
    rotation : float
        The largest angle, in degrees. This and the next three are drawn uniformly from minus to
        plus the largest.
    scale : float
        The largest change of the width, and of the height, as a fraction.
    shear : float
        The largest slant: pixels across for each pixel down.
    shift : float
        The largest shift in each direction, in pixels: little, since MNIST centres its digits.
    elastic : float
        The standard deviation of the elastic displacement in each direction, in pixels.
    smoothness : float
        The standard deviation of the Gaussian that blurs it, in pixels: the larger, the less
        neighbouring strokes move apart. (σ in Simard et al.)

    Returns
    -------
    (number, 2, 784) array
        Rows, in ``[:, 0]``, and columns, in ``[:, 1]``, counted from the first pixel, in float32.

    Raises
    ------
    ValueError
        If one of these is no number or negative, the scale 1 or more, or the smoothness below 1.
    """
    if not isinstance(number, numbers.Integral) or number < 0:
        raise ValueError(f"number must be a whole number from 0 up, not {number!r}; choose another")
    check_number("rotation", rotation, 0)
    check_number("scale", scale, 0, 1)
    check_number("shear", shear, 0)
    check_number("shift", shift, 0)
    check_number("elastic", elastic, 0)
    check_number("smoothness", smoothness, 1)
    rng = np.random.default_rng(rng)
    angle = np.radians(rng.uniform(-rotation, rotation, number))
    heights, widths = 1 / (1 + rng.uniform(-scale, scale, (2, number)))
    slant = rng.uniform(-shear, shear, number)
    shifts = rng.uniform(-shift, shift, (number, 2))
    cos, sin = np.cos(angle), np.sin(angle)
    # A point is shear · rotation · scale · pixel, and to look at a smaller part enlarges it.
    down = np.array([cos * heights, -sin * widths])
    across = np.array([sin * heights, cos * widths]) + slant * down
    basis = _basis(smoothness)
    coefficients = np.empty((number, 2, len(basis)), np.float32)
    coefficients[:, 0, :2], coefficients[:, 1, :2] = down.T, across.T
    coefficients[..., 2] = shifts + SIDE / 2 - 0.5
    coefficients[..., 3:] = rng.standard_normal(coefficients[..., 3:].shape, np.float32)
    coefficients[..., 3:] *= elastic
    return (coefficients.reshape(-1, len(basis)) @ basis).reshape(number, 2, SIDE**2)


@lru_cache
def _basis(smoothness: float) -> Floats:
    """Tabulate what warps are sums of: row, column, 1, and a Gaussian bump at each grid point."""
    positions = np.arange(SIDE) - SIDE / 2 + 0.5
    spacing = 0.75 * smoothness  # from which sums of bumps are still smooth
    reach = np.ceil(SIDE / 2 / spacing)
    grid = spacing * np.arange(-reach, reach + 1)
    bumps = np.exp(-0.5 * ((grid[:, None] - positions) / smoothness) ** 2)
    bumps /= np.sqrt((bumps**2).sum(axis=0))  # bumps of random heights then vary by 1 everywhere
    row, column = np.meshgrid(positions, positions, indexing="ij")
    affine = [row.ravel(), column.ravel(), np.ones(SIDE**2)]
    basis = np.concatenate([affine, np.kron(bumps, bumps)]).astype(np.float32)
    basis.flags.writeable = False
    return basis


def warp(X: Floats, points: Floats) -> Floats:
    """Look up each digit at the points of its warp, between pixels by bilinear interpolation.

    Outside the frame there is no ink. With its points fixed a warp is a linear map of the pixels:
    ``warp(np.eye(784), points)`` is its 784 × 784 matrix ``M``, and ``X @ M`` the same as
    ``warp(X, points)``, only slower.

    Parameters
    ----------
    X : (N, 784) array
        One digit a row, as floats.
    points : (N, 2, 784) or (1, 2, 784) array
        A warp for each digit, or one for all, from `random_warps`.

    Returns
    -------
    (N, 784) array
        New digits, in the type of ``X``.

    Raises
    ------
    ValueError
        If the shapes are others, ``X`` holds whole numbers, or a point is NaN.
    """
    check_pixels(X, SIDE**2)
    check_array(points)
    digits, width = len(X), SIDE + 3
    if points.shape[1:] != (2, SIDE**2) or len(points) not in (1, digits):
        raise ValueError(
            f"expected a warp for each of {digits} digits, or one for all, shape ({digits}, 2, "
            f"{SIDE**2}), not {points.shape}; random_warps({digits}, rng=0) makes them"
        )
    if np.isnan(points).any():
        raise ValueError("points must be numbers, not NaN; look where it comes from")
    frame = np.zeros((digits, width, width), X.dtype)  # with the empty pixels around the digit
    frame[:, 1:-2, 1:-2] = X.reshape(-1, SIDE, SIDE)
    points = np.clip(points.astype(X.dtype, copy=False) + 1, 0, SIDE + 1)
    corners = np.floor(points)
    down, right = (points - corners).swapaxes(0, 1)
    row, column = corners.astype(np.int32).swapaxes(0, 1)
    first = np.arange(0, digits * width**2, width**2)[:, None] + row * width + column
    a, b, c, d = (frame.ravel().take(first + step) for step in (0, 1, width, width + 1))
    top = a + right * (b - a)
    bottom = c + right * (d - c)
    warped: Floats = top + down * (bottom - top)
    return warped


def deform(X: Floats, rng: np.random.Generator | int, **strength: float) -> Floats:
    """Deform each digit by a warp of its own, as ``train(…, augment=deform)`` does.

    ``strength`` is what `random_warps` takes: ``partial(deform, rotation=8)`` turns less.
    """
    return warp(X, random_warps(len(X), rng=rng, **strength))
