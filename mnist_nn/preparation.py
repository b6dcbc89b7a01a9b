"""Turn a picture of a handwritten digit into what the networks were trained on.

MNIST's digits are not photographs: ink on nothing, 20 pixels high or wide, with their centre of
mass in the middle of 28 × 28. (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning
applied to document recognition", section III.A.) A network that has seen nothing else reads nothing
else. So the ink is found, whatever the light on the paper, and brought into that form.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from mnist_nn.network import Floats

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = Union[str, Path, "Image", NDArray[Any]]
"""A path, a Pillow image, or an array of shape (height, width) or (height, width, 1 to 4)."""

MAX_PIXELS = 64_000_000
"""The most that a picture may have: those of most cameras, and a bound for the memory."""

_SIDE, _BOX = 28, 20
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow has it
_STROKES = 1.6, 3.4  # pixels wide: nine of ten of MNIST's digits lie between
_WORKING_SIDE = 800  # larger pictures are reduced: a digit of 3 % of the height still has 20 pixels


class ImageError(ValueError):
    """There is no digit to be had from this picture; the text says why, and what to do."""


def prepare_digit(image: Picture) -> Floats:
    """Make a picture of one digit look like MNIST's: ``(28, 28)``, ink from 0 to 1.

    Ink is what differs from the paper, darker or lighter; the light on the paper may vary smoothly.
    Specks are left away, and so is what runs into the edge of the picture, if something else does
    not. Strokes thinner or thicker than MNIST's are made as thick.

    Parameters
    ----------
    image : path, Pillow image or array
        Of any size, in grey, in colour or with transparency, dark on light or light on dark. An
        array is (height, width) or (height, width, 1 to 4) and holds numbers from 0 up to 1, 255 or
        65535.

    Returns
    -------
    (28, 28) array
        In float32. ``prepare_digit(image).reshape(1, 784)`` is what networks take.

    Raises
    ------
    ImageError
        If the file is missing or no picture, if the picture is blank, smaller than 8 × 8 or larger
        than 64 megapixels, or if an array has another shape, NaN, or numbers out of range.
    TypeError
        If it is none of the three.
    """
    return _centered(_with_usual_strokes(_ink(_grey(read_picture(image)))))


def read_picture(image: Picture) -> Floats:
    """Read a picture as ``(height, width, 1, 3 or 4)`` from 0 to 1, of at most 800 pixels a side.

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
            f"expected a path, a Pillow image or an array, not {type(image).__name__}; np.asarray "
            "makes an array of most things"
        )
    if pixels.ndim not in (2, 3) or pixels.shape[2:] > (4,) or pixels.dtype.kind not in "buif":
        raise ImageError(
            "expected an array of numbers of shape (height, width) or (height, width, 1 to 4), not "
            f"{pixels.dtype} of shape {pixels.shape}; a row x of MNIST is one as x.reshape(28, 28)"
        )
    _check_size(*pixels.shape[:2])
    lowest, highest = pixels.min(), pixels.max()
    if not (lowest >= 0 and highest <= 65535):
        raise ImageError(
            f"expected numbers from 0 up to 1, 255 or 65535, not from {lowest} to {highest}; undo "
            "what was done to the pixels, or give the picture's file"
        )
    full = next(full for full in (1, 255, 65535) if highest <= full)
    factor = -(-max(pixels.shape[:2]) // _WORKING_SIDE)
    channels = [
        _reduced_by(channel, factor) / np.float32(full)
        for channel in np.moveaxis(np.atleast_3d(pixels), 2, 0)
    ]
    if len(channels) == 2:
        channels = [channels[0]] * 3 + channels[1:]
    return np.stack(channels, axis=2)


def _grey(picture: Floats) -> Floats:
    """Turn colours into grey, ``(height, width)``, and what is transparent into paper."""
    if picture.shape[2] == 1:
        return picture[..., 0]
    grey: Floats = picture[..., :3] @ _LUMA
    if picture.shape[2] == 4:
        # White behind dark ink, black behind light ink.
        alpha = picture[..., 3]
        paper = np.float32((grey * alpha).sum() <= 0.5 * alpha.sum())
        grey = grey * alpha + paper * (1 - alpha)
    return grey


def _pixels_of_file(path: Path) -> NDArray[Any]:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Pillow's own limit is another; and it warns of what can be read all the same.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                _check_size(image.height, image.width)
                image.draft("RGB", (_WORKING_SIDE, _WORKING_SIDE))  # which JPEG decodes faster
                return _pixels(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(
            f"expected a picture at {path} and there is none; give the path of one"
        ) from None
    except Exception as error:  # of a damaged file each format tells in its own kind
        raise ImageError(
            f"expected a picture at {path}, but it cannot be read ({error}); open it elsewhere and "
            "save it as PNG or JPEG"
        ) from error


def _pixels(image: "Image") -> NDArray[Any]:
    _check_size(image.height, image.width)
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "F") and image.mode[0] != "I":
        image = image.convert("RGBA")
    return np.asarray(image)


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 8 or height * width > MAX_PIXELS:
        raise ImageError(
            f"expected a picture of 8 by 8 pixels up to {MAX_PIXELS // 10**6} million, not of "
            f"{width} by {height}; give it in another size"
        )


def _ink(grey: Floats) -> Floats:
    """Find the digit: its ink from 0 to 1, cut out."""
    contrast = grey - _paper(grey)
    if (contrast**3).sum() < 0:  # there is little ink, and it is far from the paper
        contrast = -contrast
    smooth = _averaged(contrast)
    noise = 1.5 * float(np.median(np.abs(contrast - smooth)))
    most = float(smooth.max())
    if most < max(0.04, 5 * noise):
        raise ImageError(
            f"expected a digit, but nothing stands out from the paper by more than {most:.1%}, or "
            "from the noise; write it with a darker pen, or take the picture in better light"
        )
    full = float(np.median(smooth[smooth > most / 2]))
    least = max(0.25 * full, min(3 * noise, 0.5 * full))
    part = _main_parts(smooth > least)
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    # With the soft edges of the strokes.
    ink = np.where(_filtered(part, "MaxFilter", 3) > 0, contrast, 0)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    clipped: Floats = np.clip((ink - 0.5 * least) / (0.95 * full - 0.5 * least), 0, 1)
    return clipped


def _paper(grey: Floats) -> Floats:
    """Fit what the picture would be without ink: a quadratic surface, which ink hardly moves."""
    from PIL import Image

    def terms(height: int, width: int) -> Floats:
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)

    height, width = (min(n, 64) for n in grey.shape)
    basis = terms(height, width).reshape(6, -1).T
    seen = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX)).ravel()
    weights = np.ones((len(seen), 1), np.float32)
    for _ in range(12):
        # Weights of 1 / |residual| turn least squares into least absolute residuals.
        surface = np.linalg.lstsq(basis * weights, seen * weights[:, 0])[0]
        weights = 1 / np.sqrt(np.maximum(np.abs(seen - basis @ surface), 0.004))[:, None]
    fitted: Floats = np.tensordot(surface, terms(*grey.shape), 1)
    return fitted


def _main_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the connected parts of a tenth of the largest or more, at the edge only if all are."""
    factor = -(-max(mask.shape) // 150)
    coarse = _reduced_by(mask, factor) > 0
    # Each pixel takes the largest number of its neighbours, and then the number of the pixel of
    # that number, until all of a part have the same.
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
    least = sizes.max() / 10
    kept = (inside if inside.max() >= least else sizes) >= least
    fine = np.kron(kept[labels], np.ones((factor, factor), bool))
    return mask & fine[: mask.shape[0], : mask.shape[1]]


def _with_usual_strokes(ink: Floats) -> Floats:
    """Grow or shrink strokes to the width, in twentieths of the digit, that MNIST's have."""
    factor = max(1, max(ink.shape) // 100)
    ink = _reduced_by(ink, factor)
    pixel = max(ink.shape) / _BOX
    ink = np.pad(ink, int(2 * pixel) + 1)
    # Of a long stroke the ink is width × length, and the edges, where ink changes, 2 × length.
    down, across = np.gradient(ink)
    width = 2 * ink.sum() / np.hypot(down, across).sum() / pixel
    grow = (np.clip(width, *_STROKES) - width) * pixel / 2
    for _ in range(round(abs(grow))):
        ink = _filtered(ink, "MaxFilter" if grow > 0 else "MinFilter", 3)
    return ink


def _centered(ink: Floats) -> Floats:
    """Scale to 20 pixels and move the centre of mass to where MNIST has it, in one resampling."""
    from PIL import Image

    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    pixel = max(np.ptp(rows) + 1, np.ptp(columns) + 1) / _BOX
    margin = int(_SIDE * pixel)
    ink = np.pad(ink, margin)
    y, x = (
        ink.sum(axis=axis) @ (np.arange(length) + 0.5) / ink.sum()
        for axis, length in ((1, ink.shape[0]), (0, ink.shape[1]))
    )
    # The mean over MNIST is the middle of pixel 14 of 0 to 27.
    left, top = x - (_SIDE / 2 + 0.5) * pixel, y - (_SIDE / 2 + 0.5) * pixel
    box = (left, top, left + _SIDE * pixel, top + _SIDE * pixel)
    centered = Image.fromarray(ink).resize((_SIDE, _SIDE), Image.Resampling.HAMMING, box=box)
    clipped: Floats = np.clip(np.asarray(centered), 0, 1)
    return clipped


def _filtered(array: NDArray[Any], name: str, size: int) -> Floats:
    """Apply one of Pillow's filters to an array, in float32."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(array.astype(np.float32))
    filtered: Floats = np.asarray(picture.filter(getattr(ImageFilter, name)(size)))
    return filtered


def _averaged(array: Floats) -> Floats:
    """Average 3 by 3 pixels about each."""
    padded = np.pad(array, 1, mode="edge")
    columns = padded[:-2] + padded[1:-1] + padded[2:]
    averaged: Floats = (columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:]) / 9
    return averaged


def _reduced_by(array: NDArray[Any], factor: int) -> Floats:
    """Average squares of so many pixels a side."""
    from PIL import Image

    reduced: Floats = np.asarray(Image.fromarray(array.astype(np.float32)).reduce(factor))
    return reduced
