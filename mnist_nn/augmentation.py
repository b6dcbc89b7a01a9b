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
    check_shape,
    image_shape,
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
    shape: tuple[int, int] = (SIDE, SIDE),
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
    shape : (int, int)
        The height and width of an image. Default: MNIST's.

    Returns
    -------
    (1, 2, height * width) array
        One warp, for `warp`, in float32. Without arguments it is the identity.

    Raises
    ------
    ValueError
        If one of these is not a finite number, the scale is -1 or less, or the shape is not that of
        an image.
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
    check_shape(shape)
    size = np.array([1 / (1 + scale)])
    (linear,) = _linear_maps(np.radians([rotation]), size, size, np.array([shear]))
    center = np.reshape(shape, (2, 1)) / 2 - 0.5
    positions = np.indices(shape).reshape(2, -1) - center
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
    shape: tuple[int, int] = (SIDE, SIDE),
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
    shape : (int, int)
        The height and width of an image. Default: MNIST's.

    Returns
    -------
    (number, 2, height * width) array
        Rows, in ``[:, 0]``, and columns, in ``[:, 1]``, counted from the first pixel, in float32.

    Raises
    ------
    ValueError
        If one of these is not a number or is negative, the scale is 1 or more, the smoothness is
        below 1, or the shape is not that of an image.
    """
    check_count("number", number, lowest=0)
    check_number("rotation", rotation, at_least=0)
    check_number("scale", scale, at_least=0, below=1)
    check_number("shear", shear, at_least=0)
    check_number("shift", shift, at_least=0)
    check_number("elastic", elastic, at_least=0)
    check_number("smoothness", smoothness, at_least=1)
    check_shape(shape)
    check_rng(rng)
    rng = np.random.default_rng(rng)
    angle = np.radians(rng.uniform(-rotation, rotation, number))
    heights, widths = 1 / (1 + rng.uniform(-scale, scale, (2, number)))
    slant = rng.uniform(-shear, shear, number)
    shifts = rng.uniform(-shift, shift, (number, 2))
    height, width = map(int, shape)
    basis = _basis(smoothness, height, width)
    coefficients = np.empty((number, 2, len(basis)), np.float32)
    coefficients[..., :2] = _linear_maps(angle, heights, widths, slant)
    coefficients[..., 2] = shifts + np.array([height, width]) / 2 - 0.5
    coefficients[..., 3:] = rng.standard_normal(coefficients[..., 3:].shape, np.float32)
    coefficients[..., 3:] *= elastic
    return (coefficients.reshape(-1, len(basis)) @ basis).reshape(number, 2, height * width)


def _linear_maps(angle: Floats, heights: Floats, widths: Floats, slant: Floats) -> Floats:
    """Map a pixel's (row, column), from the center, to its point: ``(number, 2, 2)``.

    It is shear · rotation · scale · pixel. A point nearer the center enlarges the digit.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    down = np.array([cos * heights, -sin * widths])
    across = np.array([sin * heights, cos * widths]) + slant * down
    return np.stack([down, across]).transpose(2, 0, 1)


@lru_cache
def _basis(smoothness: float, height: int, width: int) -> Floats:
    """Tabulate what warps are sums of: row, column, 1, and a Gaussian bump at each grid point."""
    spacing = 0.75 * smoothness  # from which sums of bumps are still smooth

    def bumps_at(positions: Floats) -> Floats:
        reach = np.ceil(len(positions) / 2 / spacing)
        grid = spacing * np.arange(-reach, reach + 1)
        bumps: Floats = np.exp(-0.5 * ((grid[:, None] - positions) / smoothness) ** 2)
        # Bumps of random heights then vary by 1 everywhere.
        bumps /= np.sqrt((bumps**2).sum(axis=0))
        return bumps

    down, across = (np.arange(length) - length / 2 + 0.5 for length in (height, width))
    row, column = np.meshgrid(down, across, indexing="ij")
    affine = [row.ravel(), column.ravel(), np.ones(row.size)]
    basis = np.concatenate([affine, np.kron(bumps_at(down), bumps_at(across))]).astype(np.float32)
    basis.flags.writeable = False
    return basis


def warp(X: Floats, points: Floats, *, shape: tuple[int, int] | None = None) -> Floats:
    """Look up each digit at the points of its warp, by bilinear interpolation between pixels.

    There is no ink outside the frame. With its points fixed, a warp is a linear map of the pixels:
    ``warp(np.eye(784), points)`` is its 784 × 784 matrix ``M``, and ``X @ M`` equals
    ``warp(X, points)``, only more slowly.

    Parameters
    ----------
    X : (N, pixels) array
        One digit per row, as floats.
    points : (N, 2, pixels) or (1, 2, pixels) array
        A warp for each digit, from `random_warps`, or one for all, such as from `affine_warp`.
    shape : (int, int), optional
        The height and width of an image. Default: a square.

    Returns
    -------
    (N, pixels) array
        New digits, in the type of ``X``.

    Raises
    ------
    ValueError
        If a shape is wrong, ``X`` holds whole numbers, NaN or infinity, or a point is NaN.
    """
    height, width = _check_images(X, shape)
    check_array("points", points)
    images, pixels = X.shape
    if points.shape[1:] != (2, pixels) or len(points) not in (1, images):
        raise ValueError(
            f"points must be a warp for each of {images} images, or one for all, shape ({images}, "
            f"2, {pixels}), not {points.shape}; random_warps({images}, rng=0, "
            f"shape=({height}, {width})) makes them"
        )
    if points.dtype.kind not in "fiu":
        raise ValueError(f"points must hold numbers, not {points.dtype}; random_warps makes them")
    check_finite("X", X)
    if np.isnan(points).any():
        raise ValueError("points must be numbers, not NaN; look where they come from")
    step = width + 3  # from one row of a frame to the next
    area = (height + 3) * step
    frame = np.zeros((images, height + 3, step), X.dtype)  # with the empty pixels around the image
    frame[:, 1:-2, 1:-2] = X.reshape(-1, height, width)
    # Half precision would move the points by a hundredth of a pixel.
    points = points.astype(np.result_type(X, np.float32), copy=False) + 1
    for axis, length in enumerate((height, width)):
        np.clip(points[:, axis], 0, length + 1, out=points[:, axis])
    corners = np.floor(points)
    down, right = (points - corners).swapaxes(0, 1)
    row, column = corners.astype(np.int32).swapaxes(0, 1)
    first = np.arange(0, images * area, area)[:, None] + row * step + column
    a, b, c, d = (frame.ravel().take(first + offset) for offset in (0, 1, step, step + 1))
    top = a + right * (b - a)
    bottom = c + right * (d - c)
    warped: Floats = top + down * (bottom - top)
    return warped.astype(X.dtype, copy=False)


def deform(
    X: Floats, rng: Rng, *, shape: tuple[int, int] | None = None, **strength: float
) -> Floats:
    """Deform each digit by a warp of its own, as ``train(…, augment=deform)`` does.

    ``strength`` is passed to `random_warps`: ``partial(deform, rotation=8)`` rotates less. Images
    that are not square need their height and width: ``partial(deform, shape=(12, 9))``.

    Raises
    ------
    TypeError, ValueError
        What `warp` and `random_warps` raise.
    """
    shape = _check_images(X, shape)
    return warp(X, random_warps(len(X), rng=rng, shape=shape, **strength), shape=shape)


def _check_images(X: Floats, shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and the width of images, one per row."""
    check_array("X", X)
    check_pixels(X, X.shape[-1] if X.ndim else 0)
    return image_shape("X", X.shape[1], shape)
