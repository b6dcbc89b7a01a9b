"""Turn a picture of a handwritten digit into the form that the networks were trained on.

MNIST's digits are not photographs. They are ink on an empty background, 20 pixels high or wide,
with their center of mass in the middle of 28 × 28 pixels (LeCun, Bottou, Bengio and Haffner 1998,
"Gradient-based learning applied to document recognition", section III.A). A network trained on
nothing else can read nothing else. So this module finds the ink, whatever the lighting, and brings
it into that form.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from mnist_nn.checks import Floats
from mnist_nn.data import SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ImageError",
    "prepare_digit",
]

Picture: TypeAlias = Union[str, Path, "Image", NDArray[Any]]
"""A path, a Pillow image, or an array of shape (height, width) or (height, width, 1 to 4)."""

MAX_PIXELS = 64_000_000
"""The most pixels a picture may have: enough for most cameras, and a limit on memory."""

_BOX = 20
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow
_STROKES = 1.6, 3.4  # widths in pixels; nine out of ten MNIST digits are in between
_WORKING_SIDE = 800  # larger pictures are reduced; a digit of 3% of the height keeps 20 pixels


class ImageError(ValueError):
    """No digit can be read from this picture; the message says why, and what to do."""


def prepare_digit(image: Picture) -> Floats:
    """Make a picture of one digit look like MNIST: ``(28, 28)``, ink from 0 to 1.

    Ink is whatever is darker or lighter than the paper; the light on the paper may vary smoothly.
    Specks are left out, and so is anything that touches the edge of the picture, unless there is
    nothing else. Strokes thinner or thicker than MNIST's are adjusted to match.

    Parameters
    ----------
    image : path, Pillow image or array
        Any size; grayscale, color or with transparency; dark on light or light on dark. An array
        has the shape (height, width) or (height, width, 1 to 4), and values from 0 to 1, 255 or
        65535.

    Returns
    -------
    (28, 28) array
        In float32. Networks take ``prepare_digit(image).reshape(1, 784)``.

    Raises
    ------
    ImageError
        If the file is missing or not a picture; if the picture is blank, smaller than 8 × 8 pixels
        or larger than 64 megapixels; or if an array has the wrong shape, NaN, or values out of
        range.
    TypeError
        If ``image`` is not a path, a Pillow image or an array.
    """
    return _centered(_normalize_strokes(_ink(_gray(read_picture(image)))))


def read_picture(image: Picture) -> Floats:
    """Read a picture as ``(height, width, 1, 3 or 4)``, from 0 to 1, at most 800 pixels a side.

    Raises
    ------
    ImageError, TypeError
        See `prepare_digit`.
    """
    from PIL.Image import Image

    if isinstance(image, str | Path):
        pixels = _pixels_of_file(Path(image))
    elif isinstance(image, Image):
        pixels = _pixels(image)
    elif isinstance(image, np.ndarray):
        pixels = image
    else:
        raise TypeError(
            f"expected a path, a Pillow image or an array, not {type(image).__name__}; convert it "
            "with np.asarray"
        )
    if pixels.ndim not in (2, 3) or pixels.shape[2:] > (4,) or pixels.dtype.kind not in "buif":
        raise ImageError(
            "expected an array of numbers of shape (height, width) or (height, width, 1 to 4), not "
            f"{pixels.dtype} of shape {pixels.shape}; for a row x of MNIST, pass x.reshape(28, 28)"
        )
    _check_size(*pixels.shape[:2])
    lowest, highest = pixels.min(), pixels.max()
    if not (lowest >= 0 and highest <= 65535):
        raise ImageError(
            f"expected values from 0 to 1, 255 or 65535, not from {lowest} to {highest}; undo any "
            "scaling of the pixels, or pass the path of the picture"
        )
    full = next(full for full in (1, 255, 65535) if highest <= full)
    factor = -(-max(pixels.shape[:2]) // _WORKING_SIDE)
    channels = [
        _downsample(channel, factor) / np.float32(full)
        for channel in np.moveaxis(np.atleast_3d(pixels), 2, 0)
    ]
    if len(channels) == 2:
        channels = [channels[0]] * 3 + channels[1:]
    return np.stack(channels, axis=2)


def _gray(picture: Floats) -> Floats:
    """Convert color to gray, ``(height, width)``, and transparency to paper."""
    if picture.shape[2] == 1:
        return picture[..., 0]
    gray: Floats = picture[..., :3] @ _LUMA
    if picture.shape[2] == 4:
        # White behind dark ink, black behind light ink.
        alpha = picture[..., 3]
        paper = np.float32((gray * alpha).sum() <= 0.5 * alpha.sum())
        gray = gray * alpha + paper * (1 - alpha)
    return gray


def _pixels_of_file(path: Path) -> NDArray[Any]:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Pillow has a different size limit, and warns about files that it can still read.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                _check_size(image.height, image.width)
                image.draft("RGB", (_WORKING_SIDE, _WORKING_SIDE))  # JPEG decodes faster if reduced
                return _pixels(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(
            f"expected a picture at {path}, but there is none; check the path"
        ) from None
    except Exception as error:  # each format raises its own for a damaged file
        raise ImageError(
            f"expected a picture at {path}, but it cannot be read ({error}); open it in another "
            "program and save it as PNG or JPEG"
        ) from error


def _pixels(image: "Image") -> NDArray[Any]:
    _check_size(image.height, image.width)
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "F") and image.mode[0] != "I":
        image = image.convert("RGBA")
    return np.asarray(image)


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 8 or height * width > MAX_PIXELS:
        raise ImageError(
            "expected a picture of at least 8 by 8 pixels and at most "
            f"{MAX_PIXELS // 10**6} million in all, not {width} by {height}; resize it"
        )


def _ink(gray: Floats) -> Floats:
    """Find the digit, and return its ink from 0 to 1, cropped."""
    contrast = gray - _paper(gray)
    if (contrast**3).sum() < 0:  # the ink, small in area but strong in contrast, is dark
        contrast = -contrast
    smooth = _averaged(contrast)
    noise = 1.5 * float(np.median(np.abs(contrast - smooth)))
    strongest = float(smooth.max())
    if strongest < max(0.04, 5 * noise):
        raise ImageError(
            "expected a digit, but nothing stands out from the paper or from the noise "
            f"(contrast {strongest:.1%}); use a darker pen, or take the picture in better light"
        )
    full = float(np.median(smooth[smooth > strongest / 2]))
    threshold = max(0.25 * full, min(3 * noise, 0.5 * full))
    part = _main_components(smooth > threshold)
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    # Include the soft edges of the strokes.
    ink = np.where(_filtered(part, "MaxFilter", 3) > 0, contrast, 0)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    clipped: Floats = np.clip((ink - 0.5 * threshold) / (0.95 * full - 0.5 * threshold), 0, 1)
    return clipped


def _paper(gray: Floats) -> Floats:
    """Estimate the paper without the ink: a robust fit of a quadratic surface."""
    from PIL import Image

    def terms(height: int, width: int) -> Floats:
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)

    height, width = (min(n, 64) for n in gray.shape)
    basis = terms(height, width).reshape(6, -1).T
    seen = np.asarray(Image.fromarray(gray).resize((width, height), Image.Resampling.BOX)).ravel()
    weights = np.ones((len(seen), 1), np.float32)
    for _ in range(12):
        # Weights of 1 / |residual| turn least squares into least absolute deviations.
        surface = np.linalg.lstsq(basis * weights, seen * weights[:, 0])[0]
        weights = 1 / np.sqrt(np.maximum(np.abs(seen - basis @ surface), 0.004))[:, None]
    fitted: Floats = np.tensordot(surface, terms(*gray.shape), 1)
    return fitted


def _main_components(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the connected components with at least a tenth of the pixels of the largest.

    Those that touch the edge are kept only if all of them do.
    """
    factor = -(-max(mask.shape) // 150)
    coarse = _downsample(mask, factor) > 0
    # Each pixel takes the largest label among its neighbors, and then the label of the pixel where
    # that label started, until each component has a single label.
    labels = np.where(coarse, np.arange(1, coarse.size + 1).reshape(coarse.shape), 0)
    while True:
        larger = np.where(coarse, _filtered(labels, "MaxFilter", 3).astype(np.int64), 0)
        larger = np.append(0, larger)[larger]
        if (larger == labels).all():
            break
        labels = larger
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    inside = sizes.copy()
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        inside[edge] = 0
    threshold = sizes.max() / 10
    kept = (inside if inside.max() >= threshold else sizes) >= threshold
    fine = np.kron(kept[labels], np.ones((factor, factor), bool))
    return mask & fine[: mask.shape[0], : mask.shape[1]]


def _normalize_strokes(ink: Floats) -> Floats:
    """Thicken or thin strokes to MNIST's width, relative to the size of the digit."""
    factor = max(1, max(ink.shape) // 100)
    ink = _downsample(ink, factor)
    pixel = max(ink.shape) / _BOX
    ink = np.pad(ink, int(2 * pixel) + 1)
    # For a long stroke, the ink sums to width × length, and its gradient to 2 × length.
    down, across = np.gradient(ink)
    width = 2 * ink.sum() / np.hypot(down, across).sum() / pixel
    grow = (np.clip(width, *_STROKES) - width) * pixel / 2
    for _ in range(round(abs(grow))):
        ink = _filtered(ink, "MaxFilter" if grow > 0 else "MinFilter", 3)
    return ink


def _centered(ink: Floats) -> Floats:
    """Scale to 20 pixels and place the center of mass where MNIST has it, in one resampling."""
    from PIL import Image

    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    pixel = max(np.ptp(rows) + 1, np.ptp(columns) + 1) / _BOX
    margin = int(SIDE * pixel)
    ink = np.pad(ink, margin)
    y, x = (
        ink.sum(axis=axis) @ (np.arange(length) + 0.5) / ink.sum()
        for axis, length in ((1, ink.shape[0]), (0, ink.shape[1]))
    )
    # On average over MNIST, that is the middle of pixel 14, counted from 0.
    left, top = x - (SIDE / 2 + 0.5) * pixel, y - (SIDE / 2 + 0.5) * pixel
    box = (left, top, left + SIDE * pixel, top + SIDE * pixel)
    centered = Image.fromarray(ink).resize((SIDE, SIDE), Image.Resampling.HAMMING, box=box)
    clipped: Floats = np.clip(np.asarray(centered), 0, 1)
    return clipped


def _filtered(array: NDArray[Any], name: str, size: int) -> Floats:
    """Apply one of Pillow's filters to an array, in float32."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(array.astype(np.float32))
    filtered: Floats = np.asarray(picture.filter(getattr(ImageFilter, name)(size)))
    return filtered


def _averaged(array: Floats) -> Floats:
    """Average the 3 × 3 pixels around each pixel."""
    padded = np.pad(array, 1, mode="edge")
    columns = padded[:-2] + padded[1:-1] + padded[2:]
    averaged: Floats = (columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:]) / 9
    return averaged


def _downsample(array: NDArray[Any], factor: int) -> Floats:
    """Downsample by averaging squares of ``factor`` pixels a side."""
    from PIL import Image

    reduced: Floats = np.asarray(Image.fromarray(array.astype(np.float32)).reduce(factor))
    return reduced
