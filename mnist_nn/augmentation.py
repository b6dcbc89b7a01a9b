"""Deform digits at random, so that a network never sees the same one twice.

A deformed digit is still the same digit, written differently: rotated a little, slanted, larger,
off center, or by a less steady hand. Simard, Steinkraus and Platt (2003, "Best practices for
convolutional neural networks applied to visual document analysis") found no practice that matters
more than training on such digits as well.
"""

from functools import lru_cache

import numpy as np

from mnist_nn.checks import (
    Floats,
    Rng,
    check_array,
    check_count,
    check_finite,
    check_number,
    check_pixels,
    check_rng,
    is_list,
)
from mnist_nn.data import SIDE

__all__ = [
    "affine_warp",
    "deform",
    "random_warps",
    "warp",
]


def affine_warp(
    *,
    rotation: float = 0,
    scale: float = 0,
    shear: float = 0,
    shift: tuple[float, float] = (0, 0),
) -> Floats:
    """Make the warp that rotates, scales, slants and shifts every digit in the same way.

    Parameters
    ----------
    rotation : float
        The angle in degrees, clockwise.
    scale : float
        How much larger the digit becomes, as a fraction: 0.1 makes it 10% larger.
    shear : float
        The slant: pixels to the left for each pixel down.
    shift : (float, float)
        How far the digit moves down and to the right, in pixels.

    Returns
    -------
    (1, 2, 784) array
        One warp, for `warp`, in float32. Without arguments it is the identity.

    Raises
    ------
    ValueError
        If one of these is not a finite number, or the scale is -1 or less.
    """
    check_number("rotation", rotation)
    check_number("scale", scale, above=-1)
    check_number("shear", shear)
    if not is_list(shift) or len(shift) != 2:
        raise ValueError(
            f"shift must be two numbers, not {shift!r}; pass pixels (down, right), such as (0, 2)"
        )
    for distance in shift:
        check_number("shift", distance)
    size = np.array([1 / (1 + scale)])
    (linear,) = _linear_maps(np.radians([rotation]), size, size, np.array([shear]))
    center = SIDE / 2 - 0.5
    positions = np.indices((SIDE, SIDE)).reshape(2, -1) - center
    # The digit is moved last, so each pixel is moved back first.
    points: Floats = linear @ (positions - np.reshape(shift, (2, 1))) + center
    return points[None].astype(np.float32)


def random_warps(
    number: int,
    *,
    rng: Rng,
    rotation: float = 12,
    scale: float = 0.12,
    shear: float = 0.15,
    shift: float = 0.5,
    elastic: float = 1,
    smoothness: float = 4,
) -> Floats:
    """Draw random warps: for each pixel of a deformed digit, the point of the original it shows.

    A point is a linear map of the pixel's position, plus a shift, plus a displacement that varies
    smoothly over the digit: random arrows on a coarse grid, blurred by a Gaussian. With all of them
    at 0, a warp is the identity.

    Parameters
    ----------
    number : int
        How many warps to draw.
    rng : numpy.random.Generator or int
        The source of randomness, or a seed for one; the same seed draws the same warps.
    rotation : float
        The largest angle, in degrees. The angle, the changes of scale, the slant and the shifts are
        drawn uniformly from minus the largest to plus the largest.
    scale : float
        The largest change of the width, and of the height, as a fraction.
    shear : float
        The largest slant: pixels across for each pixel down.
    shift : float
        The largest shift in each direction, in pixels: small, since MNIST centers its digits.
    elastic : float
        The standard deviation of the elastic displacement in each direction, in pixels.
    smoothness : float
        The standard deviation of the Gaussian that blurs it, in pixels: the larger, the less
        neighboring strokes move apart. (σ in Simard et al.)

    Returns
    -------
    (number, 2, 784) array
        Rows, in ``[:, 0]``, and columns, in ``[:, 1]``, counted from the first pixel, in float32.

    Raises
    ------
    ValueError
        If one of these is not a number or is negative, the scale is 1 or more, or the smoothness is
        below 1.
    """
    check_count("number", number, lowest=0)
    check_number("rotation", rotation, at_least=0)
    check_number("scale", scale, at_least=0, below=1)
    check_number("shear", shear, at_least=0)
    check_number("shift", shift, at_least=0)
    check_number("elastic", elastic, at_least=0)
    check_number("smoothness", smoothness, at_least=1)
    check_rng(rng)
    rng = np.random.default_rng(rng)
    angle = np.radians(rng.uniform(-rotation, rotation, number))
    heights, widths = 1 / (1 + rng.uniform(-scale, scale, (2, number)))
    slant = rng.uniform(-shear, shear, number)
    shifts = rng.uniform(-shift, shift, (number, 2))
    basis = _basis(smoothness)
    coefficients = np.empty((number, 2, len(basis)), np.float32)
    coefficients[..., :2] = _linear_maps(angle, heights, widths, slant)
    coefficients[..., 2] = shifts + SIDE / 2 - 0.5
    coefficients[..., 3:] = rng.standard_normal(coefficients[..., 3:].shape, np.float32)
    coefficients[..., 3:] *= elastic
    return (coefficients.reshape(-1, len(basis)) @ basis).reshape(number, 2, SIDE**2)


def _linear_maps(angle: Floats, heights: Floats, widths: Floats, slant: Floats) -> Floats:
    """Map a pixel's (row, column), from the center, to its point: ``(number, 2, 2)``.

    It is shear · rotation · scale · pixel. A point nearer the center enlarges the digit.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    down = np.array([cos * heights, -sin * widths])
    across = np.array([sin * heights, cos * widths]) + slant * down
    return np.stack([down, across]).transpose(2, 0, 1)


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
    """Look up each digit at the points of its warp, by bilinear interpolation between pixels.

    There is no ink outside the frame. With its points fixed, a warp is a linear map of the pixels:
    ``warp(np.eye(784), points)`` is its 784 × 784 matrix ``M``, and ``X @ M`` equals
    ``warp(X, points)``, only more slowly.

    Parameters
    ----------
    X : (N, 784) array
        One digit per row, as floats.
    points : (N, 2, 784) or (1, 2, 784) array
        A warp for each digit, from `random_warps`, or one for all, such as from `affine_warp`.

    Returns
    -------
    (N, 784) array
        New digits, in the type of ``X``.

    Raises
    ------
    ValueError
        If a shape is wrong, ``X`` holds whole numbers, NaN or infinity, or a point is NaN.
    """
    check_pixels(X, SIDE**2)
    check_array("points", points)
    digits, width = len(X), SIDE + 3
    if points.shape[1:] != (2, SIDE**2) or len(points) not in (1, digits):
        raise ValueError(
            f"points must be a warp for each of {digits} digits, or one for all, shape ({digits}, "
            f"2, {SIDE**2}), not {points.shape}; random_warps({digits}, rng=0) makes them"
        )
    if points.dtype.kind not in "fiu":
        raise ValueError(f"points must hold numbers, not {points.dtype}; random_warps makes them")
    check_finite("X", X)
    if np.isnan(points).any():
        raise ValueError("points must be numbers, not NaN; look where they come from")
    frame = np.zeros((digits, width, width), X.dtype)  # with the empty pixels around the digit
    frame[:, 1:-2, 1:-2] = X.reshape(-1, SIDE, SIDE)
    # Half precision would move the points by a hundredth of a pixel.
    points = np.clip(points.astype(np.result_type(X, np.float32), copy=False) + 1, 0, SIDE + 1)
    corners = np.floor(points)
    down, right = (points - corners).swapaxes(0, 1)
    row, column = corners.astype(np.int32).swapaxes(0, 1)
    first = np.arange(0, digits * width**2, width**2)[:, None] + row * width + column
    a, b, c, d = (frame.ravel().take(first + step) for step in (0, 1, width, width + 1))
    top = a + right * (b - a)
    bottom = c + right * (d - c)
    warped: Floats = top + down * (bottom - top)
    return warped.astype(X.dtype, copy=False)


def deform(X: Floats, rng: Rng, **strength: float) -> Floats:
    """Deform each digit by a warp of its own, as ``train(…, augment=deform)`` does.

    ``strength`` is passed to `random_warps`: ``partial(deform, rotation=8)`` rotates less.

    Raises
    ------
    TypeError, ValueError
        What `warp` and `random_warps` raise.
    """
    check_pixels(X, SIDE**2)
    return warp(X, random_warps(len(X), rng=rng, **strength))
