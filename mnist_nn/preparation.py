"""Turn a picture of a handwritten digit into the form that the networks were trained on.

MNIST's digits are not photographs. They are ink on an empty background, 20 pixels high or wide,
with their center of mass in the middle of 28 × 28 pixels (LeCun, Bottou, Bengio and Haffner 1998,
"Gradient-based learning applied to document recognition", section III.A). A network trained on
nothing else can read nothing else. So this module finds the ink, whatever the lighting, and brings
it into that form.
"""

import io
import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from mnist_nn.checks import Floats
from mnist_nn.data import SIDE
from mnist_nn.files import SHIPPED, UnreadableError, open_file

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "EXAMPLE_PHOTO",
    "EXAMPLE_SHEET",
    "ImageError",
    "prepare_digit",
    "prepare_strokes",
]

Picture: TypeAlias = Union[str, Path, "Image", NDArray[Any]]
"""A path, a Pillow image, or an array of shape (height, width) or (height, width, 1 to 4)."""

Strokes: TypeAlias = list[list[list[float]]]
"""For each stroke of a drawing its points ``[x, y]``, from 0 (left or top) to 1."""

EXAMPLE_PHOTO = SHIPPED / "data" / "digit_photo.jpg"
"""A photograph of a digit, drawn by a program, that comes with the package."""

EXAMPLE_SHEET = SHIPPED / "data" / "digit_sheet.jpg"
"""A sheet of sixty such digits, in six rows from 0 to 9."""

MAX_PIXELS = 64_000_000
"""The most pixels a picture may have: enough for most cameras, and a limit on memory."""

# What can be read within two seconds and 1 GB. A JPEG is reduced while it is decoded, and an array
# need not be decoded at all; 36 million pixels are a page of A4 at 600 dpi.
_MAX_UNREDUCED = 36_000_000
_MAX_BYTES = 4 * _MAX_UNREDUCED + 1_000_000  # four bytes a pixel, and a header
_SLOW_CODECS = {"bmp_rle", "ppm", "ppm_plain"}  # loops in Python, one byte at a time
_MAX_SLOW = 250_000  # pixels, and bytes

# Others, such as EPS, are programs, or have decoders that few people need.
_FORMATS = "PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"  # Pillow opens MPO as JPEG
_READ = "PNG, JPEG, MPO, GIF, BMP, WebP, TIFF and PPM"
_SAVE_IT = "open it in another program and save it as PNG or JPEG"
_MAX_READS = 200_000  # a second or so; a large picture takes a few thousand
# Scans, by their length and components, and Exif, which Pillow joins, one segment after the other.
_JPEG_PIECES = rb"(?s)\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)|\xff\xe1..Exif\0\0"

_BOX = 20
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow
_STROKES = 1.6, 3.4  # widths in pixels; nine out of ten MNIST digits are in between
_PEN = 2.8  # the width of a stroke that is drawn, in the same pixels
_MOST_POINTS = 5_000  # drawn in a tenth of a second; a digit has a hundred
_DOT = 0.1  # what is smaller, relative to the paper, is not enlarged to a digit
_WORKING_SIDE = 800  # larger pictures are reduced; a digit of 3% of the height keeps 20 pixels


class ImageError(ValueError):
    """No digit can be read from this picture; the message says why, and what to do."""


def prepare_digit(image: Picture) -> Floats:
    """Make a picture of one digit look like MNIST: ``(28, 28)``, ink from 0 to 1.

    Ink is whatever is darker or lighter than the paper; the light on the paper may vary smoothly.
    Specks and a frame around the digit are left out, and so is anything that touches the edge of
    the picture, unless there is nothing else. Strokes thinner or thicker than MNIST's are adjusted
    to match. Whether it is one digit, and not two or a letter, is not checked here: `predict_image`
    does that.

    Parameters
    ----------
    image : path, Pillow image or array
        Any size; grayscale, color or with transparency; dark on light or light on dark. An array
        has the shape (height, width) or (height, width, 1 to 4), and values from 0 to 1, 255 or
        65535. A file is one of PNG, JPEG, MPO, GIF, BMP, WebP, TIFF and PPM, whatever its name;
        of several pictures in it, the first is read.

    Returns
    -------
    (28, 28) array
        In float32. Networks take ``prepare_digit(image).reshape(1, 784)``.

    Raises
    ------
    ImageError
        If the file is missing, damaged or not a picture; if the picture is blank, smaller than
        8 × 8 pixels, or larger than 64 megapixels, or than 36 if it is a file that is not JPEG; or
        if an array has the wrong shape, masked values, NaN, or values out of range.
    TypeError
        If ``image`` is not a path, a Pillow image or an array.
    """
    return place_ink(_ink(_gray(read_picture(image))))


def prepare_strokes(strokes: Strokes) -> Floats:
    """Draw the strokes of one digit as MNIST's digits are written: ``(28, 28)``, ink from 0 to 1.

    Strokes are known exactly, so that no ink has to be told from paper, as in `prepare_digit`. They
    are scaled first, and then drawn with a pen of MNIST's width, so that a small digit is as clear
    as a large one.

    Parameters
    ----------
    strokes : list of lists of points
        For each stroke, its points ``[x, y]``, from 0 (left or top) to 1. At most 5,000 points.

    Returns
    -------
    (28, 28) array
        In float32, as from `prepare_digit`.

    Raises
    ------
    ValueError
        If there is no stroke, or if they are not points of two numbers from 0 to 1, or too many.
    """
    from PIL import Image, ImageDraw

    lines = [np.array(stroke) for stroke in check_strokes(strokes)]
    if not lines:
        raise _no_strokes("a list with a stroke or more, not an empty one")
    points = np.concatenate(lines)
    left_top, size = points.min(axis=0), np.ptp(points, axis=0)
    detail = 10  # drawn this many times larger, and reduced
    pen = _PEN * detail
    scale = (_BOX * detail - pen) / max(size.max(), _DOT)
    width, height = np.ceil(size * scale + pen).astype(int).tolist()
    page = Image.new("L", (width + 2, height + 2))
    brush = ImageDraw.Draw(page)
    for line in lines:
        at = [(x, y) for x, y in ((line - left_top) * scale + pen / 2 + 1).tolist()]
        brush.line(at, 255, round(pen), joint="curve")
        for x, y in (at[0], at[-1]):
            brush.circle((x, y), pen / 2, fill=255)
    return _centered(np.asarray(page, np.float32) / 255, detail)


def place_ink(ink: Floats) -> Floats:
    """Bring ink from 0 to 1, cropped, into MNIST's form."""
    ink = _normalize_strokes(ink)
    _check_ink(ink)
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    return _centered(ink, max(np.ptp(rows) + 1, np.ptp(columns) + 1) / _BOX)


def check_strokes(value: Any) -> Strokes:
    """Return strokes as lists of floats: counted first, and looked at only if they are few.

    Raises
    ------
    ValueError
        If they are not strokes, or have more than 5,000 points. There may be no stroke.
    """
    if not isinstance(value, list | tuple):
        raise _no_strokes(f"a list, not {type(value).__name__}")
    points = 0
    for stroke in value:
        if not isinstance(stroke, list | tuple) or not stroke:
            came = "an empty one" if isinstance(stroke, list | tuple) else type(stroke).__name__
            raise _no_strokes(f"a list of lists with a point or more, not {came}")
        points += len(stroke)
        if points > _MOST_POINTS:
            raise _no_strokes(f"at most {_MOST_POINTS:,} points in all, not {points:,} or more")
    return [[_point(point) for point in stroke] for stroke in value]


def _point(point: Any) -> list[float]:
    pair = isinstance(point, list | tuple)
    if not pair or len(point) != 2:
        came = f"{len(point)} of them" if pair else type(point).__name__
        raise _no_strokes(f"points of two numbers, not {came}")
    for number in point:
        if not isinstance(number, int | float | np.integer | np.floating) or number is True:
            raise _no_strokes(f"numbers, not {type(number).__name__}")
        if not 0 <= number <= 1:  # which NaN is not either
            came = f"{number:g}" if isinstance(number, float) else "outside"
            raise _no_strokes(f"numbers from 0 to 1, not {came}")
    return [float(number) for number in point]


def _no_strokes(expected: str) -> ValueError:
    return ValueError(
        f"strokes must be {expected}; draw with [[[x, y], …], …], from 0 (left or top) to 1"
    )


def read_picture(image: Picture) -> Floats:
    """Read a picture as ``(height, width, 1, 3 or 4)``, from 0 to 1, at most 800 pixels a side.

    Raises
    ------
    ImageError, TypeError
        See `prepare_digit`.
    """
    from PIL.Image import Image

    if isinstance(image, str | Path):
        return _read_file(Path(image))
    if isinstance(image, Image):
        return _read_image(image)
    if isinstance(image, np.ndarray):
        return _read_array(image)
    raise TypeError(
        f"expected a path, a Pillow image or an array, not {type(image).__name__}; convert it "
        "with np.asarray"
    )


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


def _read_array(pixels: NDArray[Any]) -> Floats:
    if np.ma.is_masked(pixels):
        raise ImageError(
            "expected an array without masked values, not a masked array; say what is behind the "
            "mask with filled(0)"
        )
    pixels = np.asarray(pixels)
    if (
        pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (1,), (2,), (3,), (4,))
        or pixels.dtype.kind not in "buif"
    ):
        raise ImageError(
            "expected an array of numbers of shape (height, width) or (height, width, 1 to 4), not "
            f"{pixels.dtype} of shape {pixels.shape}; for a row x of MNIST, pass x.reshape(28, 28)"
        )
    height, width = pixels.shape[:2]
    _check_size(height, width)
    return _reduced(height, width, lambda top, bottom: pixels[top:bottom])


def _read_image(image: "Image") -> Floats:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_decoding(image)
            return _decoded(image)
    except ImageError:
        raise
    except Exception as error:  # closed, cut off, or of a mode that cannot be converted
        raise ImageError(
            f"expected a Pillow image that can be read, but it cannot ({error}); open it again, or "
            "pass its path"
        ) from error


def _read_file(path: Path) -> Floats:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with _File(open_file(path).detach()) as file, warnings.catch_warnings():
            # Pillow has a different size limit, and warns about files that it can still read.
            warnings.simplefilter("ignore")
            size = _check_file(path, file)
            with Image.open(file, formats=_FORMATS) as image:
                _check_decoding(image, size)
                image.draft("RGB", (_WORKING_SIDE, _WORKING_SIDE))  # JPEG decodes faster if reduced
                return _decoded(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except UnreadableError as error:
        raise _refusal(path, str(error), "check the path") from error
    except UnidentifiedImageError as error:
        raise _refusal(path, f"it cannot be read (it is none of {_READ})", _SAVE_IT) from error
    except Exception as error:  # each format raises its own for a damaged file
        cause = getattr(error, "strerror", None) or error
        raise _refusal(path, f"it cannot be read ({cause})", _SAVE_IT) from error


def _refusal(path: Path, reason: str, advice: str) -> ImageError:
    name = str(path) if str(path).isprintable() else ascii(str(path))
    if len(name) > 300:
        name = f"{name[:150]} … {name[-150:]}"
    return ImageError(f"expected a picture at {name}, but {reason}; {advice}")


class _File(io.BufferedReader):
    """A file that ends the reading of millions of tiny pieces, which Pillow takes one by one."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > _MAX_READS:
            raise OSError(f"more than {_MAX_READS:,} pieces")
        return super().read(size)


def _check_file(path: Path, file: BinaryIO) -> int:
    """Refuse what would take minutes or gigabytes, however few the pixels; return the size."""
    size = file.seek(0, io.SEEK_END)
    if size > _MAX_BYTES:
        raise _refusal(path, f"it has more than {_MAX_BYTES // 10**6} MB", "resize it")
    file.seek(0)
    start = file.read(16)
    if start.startswith(b"\xff\xd8"):
        # Each scan of a JPEG is a pass over all pixels. Encoders write ten; libtiff takes 100.
        pieces, most = len(re.findall(_JPEG_PIECES, file.read())), 100
    elif start[:2] in (b"II", b"MM"):
        pieces, most = _longest_tiff_list(start, file), 100_000
    else:
        pieces, most = 1, 1
    if pieces > most:
        raise _refusal(path, f"it is in {pieces} pieces, more than {most}", _SAVE_IT)
    file.seek(0)
    return size


def _longest_tiff_list(start: bytes, file: BinaryIO) -> int:
    """Count what Pillow would turn into Python's numbers: where the pieces are, and other lists."""
    order = "<" if start[:2] == b"II" else ">"
    big = start[2] == 43  # BigTIFF, as Pillow tells it
    offset, number, entry = ("8xQ", "Q", "HHQ8x") if big else ("4xI", "H", "HHI4x")
    file.seek(struct.unpack_from(order + offset, start)[0])
    (entries,) = struct.unpack(order + number, file.read(8 if big else 2))
    size = struct.calcsize(order + entry)
    table = file.read(size * min(entries, 65536))  # there are no more tags
    return max(
        (
            count
            for tag, kind, count in struct.iter_unpack(
                order + entry, table[: len(table) // size * size]
            )
            # Bytes, such as a color profile, stay together, except where offsets are expected.
            if kind not in (1, 2, 6, 7) or tag in (273, 324)
        ),
        default=0,
    )


def _check_decoding(image: "Image", file_size: int = 0) -> None:
    """Refuse, before it is decoded, what would take too long."""
    codecs = {tile[0] for tile in getattr(image, "tile", [])}  # none if it is decoded
    if "eps" in codecs:
        raise ImageError(
            "expected a Pillow image of pixels, not EPS, which Ghostscript would have to run; "
            "save it as PNG"
        )
    most = MAX_PIXELS
    if codecs & _SLOW_CODECS:
        most = _MAX_SLOW
        if file_size > _MAX_SLOW:
            raise ImageError(
                f"expected at most {_MAX_SLOW // 1000} kB of a {image.format} that is written as "
                f"text or in runs, not {file_size // 1000} kB; save it as PNG"
            )
    elif codecs - {"jpeg"} or image.format == "WEBP":
        most = _MAX_UNREDUCED
    _check_size(image.height, image.width, most)


def _decoded(image: "Image") -> Floats:
    converted = image.mode in ("1", "L", "LA", "RGB", "RGBA", "F") or image.mode.startswith("I")

    def rows(top: int, bottom: int) -> NDArray[Any]:
        strip = image.crop((0, top, image.width, bottom))
        return np.asarray(strip if converted else strip.convert("RGBA"))

    return _reduced(image.height, image.width, rows)


def _reduced(height: int, width: int, rows: Callable[[int, int], NDArray[Any]]) -> Floats:
    """Reduce a picture, given by its rows from top to bottom, and scale it to 0 to 1.

    It comes in strips of a million pixels, since all of it in floats would take gigabytes.
    """
    factor = -(-max(height, width) // _WORKING_SIDE)
    step = factor * max(1, 10**6 // (factor * width))
    lowest, highest, strips = [], [], []
    for top in range(0, height, step):
        strip = rows(top, min(top + step, height))
        lowest.append(strip.min())
        highest.append(strip.max())
        channels = np.moveaxis(np.atleast_3d(strip), 2, 0)
        with np.errstate(over="ignore"):  # what is too large is refused below
            strips.append(np.stack([_downsample(c, factor) for c in channels], axis=2))
    least, most = np.min(lowest), np.max(highest)  # NaN if there is one
    if not (least >= 0 and most <= 65535):
        raise ImageError(
            f"expected values from 0 to 1, 255 or 65535, not from {least} to {most}; undo any "
            "scaling of the pixels, or pass the path of the picture"
        )
    full = next(full for full in (1, 255, 65535) if most <= full)
    picture: Floats = np.concatenate(strips) / np.float32(full)
    if picture.shape[2] == 2:
        picture = picture[..., [0, 0, 0, 1]]
    return picture


def _check_size(height: int, width: int, most: int = MAX_PIXELS) -> None:
    if min(height, width) < 8 or height * width > most:
        raise ImageError(
            "expected a picture of at least 8 by 8 pixels and at most "
            f"{most / 10**6:g} million in all, not {width} by {height}; resize it"
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

    Those that touch the edge are kept only if all of them do, and a frame around others never.
    """
    factor = -(-max(mask.shape) // 150)
    coarse = _downsample(mask, factor) > 0
    # Each pixel takes the largest label among its neighbors, and then the label of the pixel where
    # that label started, until each component has a single label.
    labels = np.where(coarse, np.arange(1, coarse.size + 1).reshape(coarse.shape), 0)
    while True:
        larger = np.where(coarse, _filtered(labels, "MaxFilter", 3).astype(np.intp), 0)
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
    for frame in np.flatnonzero(kept):
        kept[frame] = not _surrounds(labels == frame, labels, kept)
    fine = np.kron(kept[labels], np.ones((factor, factor), bool))
    return mask & fine[: mask.shape[0], : mask.shape[1]]


def _surrounds(frame: NDArray[np.bool_], labels: NDArray[np.int_], kept: NDArray[np.bool_]) -> bool:
    """Whether a component has another inside, of a third of its height, with ink on four sides."""
    rows, columns = (np.flatnonzero(frame.any(axis=axis)) for axis in (1, 0))
    within = labels * ~frame
    within = within[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inner = kept[within] & (within > 0)
    if not inner.any():
        return False
    down, across = (np.flatnonzero(inner.any(axis=axis)) for axis in (1, 0))
    if 3 * (np.ptp(down) + 1) < len(inner):
        return False
    ink = frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    core = slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1)
    sides = (
        ink[: down[0], core[1]],
        ink[down[-1] + 1 :, core[1]],
        ink[core[0], : across[0]],
        ink[core[0], across[-1] + 1 :],
    )
    return not ink[core].any() and all(side.any() for side in sides)


def _normalize_strokes(ink: Floats) -> Floats:
    """Thicken or thin strokes to MNIST's width, relative to the size of the digit."""
    factor = max(1, max(ink.shape) // 100)
    ink = _downsample(ink, factor)
    _check_ink(ink)
    pixel = max(ink.shape) / _BOX
    ink = np.pad(ink, int(2 * pixel) + 1)
    # For a long stroke, the ink sums to width × length, and its gradient to 2 × length.
    down, across = np.gradient(ink)
    width = 2 * ink.sum() / np.hypot(down, across).sum() / pixel
    grow = (np.clip(width, *_STROKES) - width) * pixel / 2
    for _ in range(round(abs(grow))):
        ink = _filtered(ink, "MaxFilter" if grow > 0 else "MinFilter", 3)
    return ink


def _centered(ink: Floats, pixel: float) -> Floats:
    """Scale, and place the center of mass where MNIST has it, in one resampling.

    ``pixel`` is the side of one of MNIST's pixels, in pixels of the ink.
    """
    from PIL import Image

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


def _check_ink(ink: Floats) -> None:
    if not (ink > 0.25).any():
        raise ImageError(
            "expected a digit, but found only specks; write it larger, or take the picture from "
            "closer"
        )


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
