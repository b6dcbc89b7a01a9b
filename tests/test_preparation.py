"""A person's own digit: brought into MNIST's form, or refused with a reason."""

import contextlib
import io
import os
import queue
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import SIZE, brushed, on_paper, pasted, photographed, printed, scanned, strokes
from PIL import EpsImagePlugin, Image, ImageDraw, ImageFile

from mnist_nn import (
    MNIST,
    RECORD,
    ImageError,
    get_accuracy,
    load_model,
    make_predictions,
    prepare_digit,
    prepare_strokes,
)

NETWORK = load_model(RECORD)


def read(images):
    return make_predictions(NETWORK, np.stack([prepare_digit(i).reshape(784) for i in images]))


def accuracy(draw, number):
    rng = np.random.default_rng(0)
    labels = np.arange(number) % 10
    found = get_accuracy(read(draw(digit, rng) for digit in labels), labels)
    print(f"{number} drawn digits: {found:.1%}")
    return found


@pytest.mark.long
def test_drawn_digits_are_read() -> None:
    assert accuracy(lambda digit, rng: scanned(brushed(digit, rng)), 200) >= 0.97
    assert accuracy(lambda digit, rng: photographed(brushed(digit, rng), rng), 200) >= 0.97


@pytest.mark.long
def test_printed_digits_are_read() -> None:
    # No one writes a 1 with a slab, or a 6 with a drop at its tip: less is asked of fonts.
    assert accuracy(lambda digit, rng: photographed(printed(digit, rng), rng), 200) >= 0.95


@pytest.mark.parametrize(
    "number",
    [pytest.param(400, marks=pytest.mark.long), pytest.param(10_000, marks=pytest.mark.slow)],
)
def test_digits_of_mnist_on_larger_pages_are_read_as_well_as_they_were(
    mnist: MNIST, number: int
) -> None:
    rng = np.random.default_rng(0)
    X, Y = mnist.test_X[:number], mnist.test_Y[:number]
    found = get_accuracy(read(pasted(x, rng) for x in X), Y)
    original = get_accuracy(make_predictions(NETWORK, X), Y)
    print(f"{number} test digits: {original:.2%}, on larger pages {found:.2%}")
    assert abs(found - original) <= 0.003


def square(top: int, left: int, height: int, width: int, shape=(200, 300)):
    page = np.zeros(shape)
    page[top : top + height, left : left + width] = 1
    return page


def bounds(digit):
    """The rows and columns of the ink, first to last."""
    inked = digit > 0.1
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_the_longer_side_is_20_pixels_and_the_center_of_mass_in_the_middle() -> None:
    # A stroke of a brush 100 high and 12 wide, of which 20 by 2.4 pixels remain. MNIST's digits
    # have their mean center in the middle of pixel 14, so that they lie in rows 4 to 24.
    digit = prepare_digit(square(20, 210, 100, 12))
    assert digit.shape == (28, 28)
    assert digit.dtype == np.float32
    assert 0 <= digit.min() <= digit.max() <= 1
    assert bounds(digit) == (4, 24, 13, 15)
    assert digit.sum() == pytest.approx(20 * 2.4, rel=0.05)
    rows, columns = np.indices((28, 28))
    assert (digit * rows).sum() / digit.sum() == pytest.approx(14, abs=0.05)
    assert (digit * columns).sum() / digit.sum() == pytest.approx(14, abs=0.05)
    # An L, whose mass is not in the middle of its box: 12 × 100 about column 6, 48 × 12 about 36.
    letter = prepare_digit(np.maximum(square(20, 30, 100, 12), square(108, 42, 12, 48)))
    assert (letter * columns).sum() / letter.sum() == pytest.approx(14, abs=0.1)
    assert bounds(letter)[2] == pytest.approx(14.5 - (1200 * 6 + 576 * 36) / 1776 / 5, abs=1)


@pytest.mark.long
def test_the_mean_center_of_mass_is_that_of_mnist(mnist: MNIST) -> None:
    images = mnist.train_X.reshape(-1, 28, 28)
    rows, columns = np.indices((28, 28))
    for axis in (rows, columns):
        centers = (images * axis).sum(axis=(1, 2)) / images.sum(axis=(1, 2))
        assert centers.mean() == pytest.approx(14, abs=0.05)


@pytest.mark.parametrize("width", [1, 40])
def test_strokes_become_as_wide_as_those_of_mnist(width: int) -> None:
    # Of a height of 150: 0.1 and 5.3 of 20 pixels, where MNIST has 1.6 to 3.4.
    outline = square(20, 20, 150, 90) - square(
        20 + width, 20 + width, 150 - 2 * width, 90 - 2 * width
    )
    digit = prepare_digit(outline)
    across = digit[14].sum() / 2  # the middle row cuts the outline twice
    assert 1.3 < across < 4


@pytest.mark.long
@pytest.mark.parametrize("size", [1, 0.3, 0.1])
def test_a_small_drawing_is_read_as_well_as_a_large_one(size: float) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 10
    drawings = [prepare_strokes(on_paper(strokes(digit, rng), rng, size)) for digit in labels]
    found = get_accuracy(make_predictions(NETWORK, np.reshape(drawings, (200, 784))), labels)
    print(f"200 drawings, {size:.0%} of the paper: {found:.1%}")
    assert found >= 0.97


def test_strokes_are_drawn_with_a_pen_of_one_width() -> None:
    # A line of 20 by 2.8 pixels with round ends, wherever and however long, in float32.
    for x, top, bottom in ((0.1, 0.1, 0.9), (0.97, 0.02, 0.14)):
        line = prepare_strokes([[[x, top], [x, bottom]]])
        assert line.shape == (28, 28)
        assert line.dtype == np.float32
        assert line.sum() == pytest.approx(17.2 * 2.8 + np.pi * 1.4**2, rel=0.03)
        assert line[14].sum() == pytest.approx(2.8, rel=0.05)
        rows, columns = np.indices((28, 28))
        assert (line * rows).sum() / line.sum() == pytest.approx(14, abs=0.05)
        assert (line * columns).sum() / line.sum() == pytest.approx(14, abs=0.05)
    # A dot stays one: a hundredth of the paper is a tenth of the least that is enlarged.
    dot = prepare_strokes([[[0.5, 0.5], [0.51, 0.5]]])
    assert dot.sum() == pytest.approx(np.pi * 1.4**2 + 2.8 * 1.72, rel=0.1)


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "a list with a stroke or more, not an empty one"),
        ("seven", "a list, not str"),
        ([[]], "a point or more, not an empty one"),
        ([[[0.5, 1.5]]], "numbers from 0 to 1, not 1.5"),
        ([[[0.5, 0.5]] * 5001], "at most 5,000 points"),
    ],
)
def test_what_is_no_stroke_is_refused(strokes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare_strokes(strokes)


@pytest.mark.long
def test_a_frame_around_a_digit_is_left_out() -> None:
    rng = np.random.default_rng(2)
    right = 0
    for digit in range(10):
        page = brushed(digit, rng, height=180)
        outer = Image.new("L", (SIZE, SIZE))
        corners = np.array([(20, 20), (380, 20), (380, 380), (20, 380)]) + rng.normal(0, 6, (4, 2))
        points = [*map(tuple, corners.tolist()), (24, 30)]  # not quite closed
        ImageDraw.Draw(outer).line(points, 255, int(rng.integers(4, 12)))
        framed = np.maximum(page, np.asarray(outer) / 255)
        alone, inside = (prepare_digit(scanned(mask)) for mask in (page, framed))
        assert np.abs(alone - inside).mean() < 0.01
        right += make_predictions(NETWORK, inside.reshape(1, 784))[0] == digit
    assert right >= 9


RNG = np.random.default_rng(3)
SEVEN = brushed(7, RNG, height=260, width=20)
PAGE = np.uint8(255 - 255 * SEVEN)
EXPECTED = prepare_digit(PAGE)


@pytest.mark.parametrize(
    "image",
    {
        "light on dark": 255 - PAGE,
        "fractions": PAGE / 255,
        "booleans": PAGE > 127,
        "16 bits": np.uint16(257) * PAGE,
        "one channel": PAGE[..., None],
        "RGB": np.dstack([PAGE] * 3),
        "transparent paper, black ink": np.dstack([0 * PAGE, 255 - PAGE]),
        "transparent paper, white ink": np.dstack([255 + 0 * PAGE] * 3 + [255 - PAGE]),
        "faint": 255 - (255 - PAGE) // 10,
        "blue on yellow": np.uint8(
            PAGE[..., None] / 255 * [250, 240, 150] + (1 - PAGE[..., None] / 255) * [20, 30, 120]
        ),
        "in a shadow": np.uint8(PAGE * np.linspace(0.25, 1, PAGE.shape[1]) ** 2 * 0.9),
        "in noise": np.clip(PAGE + RNG.normal(-20, 8, PAGE.shape), 0, 255),
        "larger, off the middle": np.pad(
            np.kron(PAGE, np.ones((3, 3), np.uint8)), ((0, 500), (90, 0)), constant_values=255
        ),
        "with specks": np.minimum(
            PAGE, np.kron(np.where(RNG.random((80, 80)) < 0.002, 0, 255), np.ones((5, 5)))
        ),
        "with the dark edge of a table": np.concatenate([PAGE, np.zeros((20, PAGE.shape[1]))]),
        "palette": Image.fromarray(PAGE).convert("P"),
        "1 bit": Image.fromarray(PAGE).point(lambda value: 255 * (value > 127)).convert("1"),
        "I;16": Image.fromarray(np.uint16(257) * PAGE),
        "CMYK": Image.fromarray(PAGE).convert("RGB").convert("CMYK"),
    }.items(),
    ids=lambda item: item[0],
)
def test_the_same_digit_is_found_however_the_picture_comes(image) -> None:
    digit = prepare_digit(image[1])
    assert np.abs(digit - EXPECTED).mean() < 0.02
    assert make_predictions(NETWORK, digit.reshape(1, 784)) == 7


def test_paper_may_be_darker_away_from_a_lamp_and_half_covered_with_ink() -> None:
    thick = brushed(7, np.random.default_rng(3), height=300, width=80)
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    light = np.exp(-(x**2 + y**2) / 2)
    digit = prepare_digit(light * (1 - 0.4 * thick))
    assert np.abs(digit - prepare_digit(scanned(thick))).mean() < 0.01


def test_a_file_is_read_the_right_way_up(tmp_path: Path) -> None:
    # Cameras store a turned picture, and say so in the file.
    turned = Image.fromarray(np.rot90(PAGE))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "seven.jpg", exif=exif, quality=95)
    assert np.abs(prepare_digit(tmp_path / "seven.jpg") - EXPECTED).mean() < 0.02
    assert np.abs(prepare_digit(str(tmp_path / "seven.jpg")) - EXPECTED).mean() < 0.02


NUMBERS = "values from 0 to 1, 255 or 65535"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((100, 100), 200), "nothing stands out"),
        (np.zeros((100, 100)), "nothing stands out"),
        (np.tile(np.linspace(0.2, 1, 300), (300, 1)), "nothing stands out"),
        (np.random.default_rng(0).random((200, 200)), "from the noise"),
        (np.zeros((1, 1)), "8 by 8 pixels and at most 64 million in all, not 1 by 1"),
        (np.zeros((0, 0)), "not 0 by 0"),
        (np.broadcast_to(np.uint8(255), (10_000, 10_000)), "not 10000 by 10000"),
        (np.where(PAGE > 200, np.nan, 0), f"{NUMBERS}, not from nan to nan"),
        (np.where(PAGE > 200, np.inf, 0), NUMBERS),
        (PAGE - 300.0, f"{NUMBERS}, not from -300.0"),
        (PAGE * 1e5, NUMBERS),
        (np.zeros(784), r"not float64 of shape \(784,\); .* x.reshape\(28, 28\)"),
        (np.zeros((28, 28, 5)), "shape"),
        (np.zeros((1, 28, 28)), "shape"),
        (PAGE.astype(complex), "complex128"),
        (PAGE.astype(str), "expected an array of numbers"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_refused(image, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        prepare_digit(image)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    missing, text, cut = tmp_path / "none.png", tmp_path / "text.png", tmp_path / "cut.jpg"
    text.write_text("no picture")
    Image.fromarray(PAGE).save(cut)
    cut.write_bytes(cut.read_bytes()[:2000])
    for path, message in ((missing, "there is none"), (text, "PNG or JPEG"), (cut, "PNG or JPEG")):
        with pytest.raises(
            ImageError, match=f"expected a picture at {re.escape(str(path))}.*{message}"
        ):
            prepare_digit(path)


def test_a_huge_file_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, huge = tmp_path / "small.png", tmp_path / "huge.png"
    Image.fromarray(PAGE).save(small)
    Image.new("1", (10_000, 10_000)).save(huge)
    decoded, load = [], ImageFile.ImageFile.load

    def noted(image: ImageFile.ImageFile) -> Any:
        decoded.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", noted)
    with pytest.raises(ImageError, match="not 10000 by 10000"):
        prepare_digit(huge)
    assert decoded == []
    prepare_digit(small)  # which is how a file is decoded
    assert decoded


def test_only_a_picture_is_taken() -> None:
    with pytest.raises(TypeError, match=r"not list; convert it with np\.asarray"):
        prepare_digit(PAGE.tolist())  # type: ignore[arg-type]


KINDS = "PNG, JPEG, MPO, GIF, BMP, WebP, TIFF and PPM"


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP", "TIFF", "PPM"], ids=str.lower
)
def test_the_formats_that_people_have_are_read_whatever_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "digit.picture"
    page = Image.fromarray(PAGE)
    if kind == "MPO":
        page.save(path, kind, save_all=True, append_images=[page])
    else:
        page.save(path, kind)
    link = tmp_path / "link"
    link.symlink_to(path)
    for place in (path, link):
        assert np.abs(prepare_digit(place) - EXPECTED).mean() < 0.02


def test_a_program_in_a_picture_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked for once, and remembered
    path = tmp_path / "digit.png"
    Image.fromarray(PAGE).save(path, "EPS")
    with pytest.raises(ImageError, match=rf"digit\.png, but .* none of {KINDS}"):
        prepare_digit(path)
    with Image.open(path) as image, pytest.raises(ImageError, match=r"not EPS.* as PNG"):
        prepare_digit(image)
    assert not ran.exists()
    with Image.open(path) as image, pytest.raises(OSError, match=r"cannot identify|No such file"):
        image.load()
    assert ran.exists()  # which is how one would see it


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipe", "it is a pipe or a device"),
        ("link", "it is a pipe or a device"),
        ("folder", "it is a folder; check the path"),
        ("a" * 5000, "cannot be opened: File name too long"),
        ("", "it is a folder"),
        ("nul\0", r"nul\\x00', but no file can have that name"),
        ("missing", "there is none; check the path"),
        ("digit\ud800.png", "ud800"),
    ],
    ids=["pipe", "link", "folder", "long", "empty", "nul", "missing", "surrogate"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    Path("folder").mkdir()
    with pytest.raises(ImageError, match=message) as refusal:
        in_time(name)
    assert len(str(refusal.value)) < 500


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there are no devices in files")
def test_a_device_is_refused() -> None:
    with pytest.raises(ImageError, match="/dev/zero, but it is a pipe or a device"):
        in_time("/dev/zero")


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:  # root, who may run the tests, may read everything
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "digit.png"
    Image.fromarray(PAGE).save(path)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"digit\.png, but it cannot be opened: Permission denied"):
        prepare_digit(path)


def in_time(path: str) -> None:
    """Prepare a digit in a thread that is given up if it hangs."""
    came: queue.Queue[Exception | None] = queue.Queue()

    def run() -> None:
        try:
            prepare_digit(path)
        except Exception as error:
            came.put(error)
        else:
            came.put(None)

    threading.Thread(target=run, daemon=True).start()
    error = came.get(timeout=20)
    if error:
        raise error


def test_arrays_and_images_that_hold_nothing_are_refused() -> None:
    closed = Image.fromarray(PAGE)
    closed.close()
    cut = io.BytesIO()
    Image.fromarray(PAGE).save(cut, "PNG")
    hidden = np.ma.masked_greater(PAGE, 200)
    for image, message in (
        (np.zeros((60, 60, 0)), r"float64 of shape \(60, 60, 0\)"),
        (hidden, r"without masked values.*filled\(0\)"),
        (closed, "a Pillow image that can be read"),
        (Image.open(io.BytesIO(cut.getvalue()[:500])), r"a Pillow image that can be read"),
        (np.full((60, 60), 1e300), "values from 0 to 1"),
    ):
        with pytest.raises(ImageError, match=message):
            prepare_digit(image)
    np.testing.assert_array_equal(prepare_digit(np.ma.masked_greater(PAGE, 255)), EXPECTED)


@pytest.mark.long
def test_faint_specks_are_no_digit() -> None:
    # Arrays in which so little ink remained that its width or its center was not a number.
    rng = np.random.default_rng(0)
    read = 0
    for number in range(600):
        size = rng.integers(8, 40, 2)
        page = rng.random(size) ** 20 if number % 2 else rng.random(size) < rng.random() ** 3
        with contextlib.suppress(ImageError):
            assert np.isfinite(prepare_digit(page)).all()
            read += 1
    assert read > 60


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bombs() -> dict[str, bytes]:
    """Small files that would take Pillow minutes or gigabytes."""
    small = Image.new("L", (100, 100), 128)
    png, jpeg, gif = (encoded(small, kind) for kind in ("PNG", "JPEG", "GIF"))
    text = zlib.compress(bytes(300_000_000), 1)
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0"
    strips = 2_000_000
    tags = [(256, 4, 8), (257, 4, strips), (258, 3, 8), (259, 3, 1), (262, 3, 1), (278, 4, 1)]
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    entries.insert(5, struct.pack("<HHII", 273, 4, strips, 98))
    tiff = b"II*\0" + struct.pack("<IH", 8, 7) + b"".join(entries) + bytes(4 * strips + 100)
    exif = b"\xff\xe1\xff\xfeExif\0\0" + bytes(65526)
    return {
        "pixels.png": encoded(Image.new("RGB", (6100, 6100)), "PNG"),
        "text.png": png[:33] + chunk(b"zTXt", b"a\0\0" + text) * 3 + png[33:],
        "chunks.png": png[:33] + chunk(b"prVt", b"") * 3_000_000 + png[33:],
        "scans.jpg": jpeg[:-2] + scan * 5000 + jpeg[-2:],
        "exif.jpg": jpeg[:2] + exif * 1500 + jpeg[2:],
        "segments.jpg": jpeg[:2] + b"\xff\xfe\0\2" * 10_000_000 + jpeg[2:],
        "comments.gif": gif[:13] + b"\x21\xfe\1a\0" * 5_000_000 + gif[13:],
        "strips.tif": tiff,
        "comments.ppm": b"P2 100 100 255\n" + b"#\n" * 2_000_000 + b"1 " * 10_000,
        "header.ppm": b"P5 " + b"#\n" * 5_000_000 + b"100 100 255\n" + bytes(10_000),
        "levels.ppm": b"P6 1000 1000 254\n" + bytes(3_000_000),
        "large.webp": b"RIFF" + bytes(200_000_000),
    }


def peak_of(code: str) -> float:
    """Run code in a process of its own; return the peak of its memory in MB, or 0 if unknown."""
    # Not resource.getrusage: a process starts with the peak of the one that started it.
    code += """
from pathlib import Path
status = Path("/proc/self/status")
text = status.read_text() if status.exists() else "VmHWM: 0 kB"
print("peak", int(text.split("VmHWM:")[1].split()[0]) / 1000, "MB")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-W", "default::DeprecationWarning", "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stderr
    return float(run.stdout.split()[-2])


@pytest.mark.long
def test_a_bomb_is_refused_within_time_and_memory(tmp_path: Path) -> None:
    for name, content in bombs().items():
        (tmp_path / name).write_bytes(content)
    code = f"""
import pathlib, test_preparation
for path in pathlib.Path({str(tmp_path)!r}).iterdir():
    assert not test_preparation.read_or_refused(path), path
"""
    assert peak_of(code) < 1000


def seeds() -> dict[str, bytes]:
    """A small picture in each format, and in the forms that differ most."""
    page = Image.fromarray(PAGE).resize((48, 48))
    color = page.convert("RGB")
    frames: dict[str, Any] = {"save_all": True, "append_images": [page]}
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png": encoded(page, "PNG"),
        "png palette": encoded(page.convert("P"), "PNG", transparency=255),
        "png exif": encoded(color.convert("RGBA"), "PNG", exif=exif),
        "jpeg": encoded(page, "JPEG", exif=exif),
        "jpeg progressive": encoded(color, "JPEG", progressive=True),
        "mpo": encoded(page, "MPO", **frames),
        "gif": encoded(page, "GIF", **frames),
        "bmp": encoded(page, "BMP"),
        "webp": encoded(color, "WEBP"),
        "webp frames": encoded(color, "WEBP", lossless=True, **frames),
        "tiff": encoded(page, "TIFF"),
        "tiff lzw": encoded(color.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "ppm": encoded(color, "PPM"),
        "pgm as text": b"P2 48 48 255\n" + " ".join(map(str, np.asarray(page).flat)).encode(),
    }


def repaired(png: bytes) -> bytes:
    """Give the chunks of a PNG the checksums of what they hold now."""
    pieces, start = [png[:8]], 8
    while start + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, start)
        pieces.append(chunk(png[start + 4 : start + 8], png[start + 8 : start + 8 + length]))
        start += 12 + length
    return b"".join(pieces)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Change a file in one to four places."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        # Half of the changes in the header, which says what the rest means.
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 200)
        at, length = int(rng.integers(max(end, 1))), int(rng.integers(1, 40))
        match rng.integers(6):
            case 0:
                changed[at : at + 1] = rng.bytes(1)
            case 1:
                changed[at:at] = rng.bytes(length)
            case 2:
                del changed[at : at + length]
            case 3:
                del changed[max(at, 8) :]
            case 4:
                changed[at:at] = changed[at : at + 10 * length]
            case 5:
                number = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1]))
                changed[at : at + 4] = number.to_bytes(4, "big" if rng.random() < 0.5 else "little")
    png = content.startswith(b"\x89PNG") and rng.random() < 0.8
    return repaired(bytes(changed)) if png else bytes(changed)


def read_or_refused(path: Path) -> bool:
    """Whether a picture was read, in two seconds and into a valid value, or else refused."""
    start = time.process_time()
    try:
        digit = prepare_digit(path)
    except ImageError:
        digit = None
    assert time.process_time() - start < 2
    if digit is not None:
        assert digit.shape == (28, 28)
        assert digit.dtype == np.float32
        assert np.isfinite(digit).all()
        assert digit.min() >= 0
        assert digit.max() <= 1
    return digit is not None


def damage(number: int, folder: Path) -> None:
    """Read mutated files, some of which can be read and some of which cannot."""
    rng = np.random.default_rng(0)
    kinds = seeds()
    for content in kinds.values():
        (folder / "digit").write_bytes(content)
        assert read_or_refused(folder / "digit")
    names = list(kinds)
    read = 0
    for i in range(number):
        (folder / "digit").write_bytes(mutated(kinds[names[i % len(names)]], rng))
        try:
            read += read_or_refused(folder / "digit")
        except BaseException as error:
            error.add_note(f"mutation {i}, of {names[i % len(names)]}")
            raise
    print(f"{number} damaged files: {read} read, {number - read} refused")
    assert 0.1 * number < read < 0.9 * number


@pytest.mark.long
@pytest.mark.parametrize("number", [100, pytest.param(4000, marks=pytest.mark.thorough)])
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, number: int) -> None:
    # In a process of its own: a crash is seen, and so is the peak of memory.
    code = f"""
import pathlib, test_preparation
test_preparation.damage({number}, pathlib.Path({str(tmp_path)!r}))
"""
    assert peak_of(code) < 1000
