"""A person's own digit: brought into MNIST's form, or refused with a reason."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import SIZE, brushed, pasted, photographed, printed, scanned
from PIL import Image, ImageFile

from mnist_nn import (
    MNIST,
    RECORD,
    ImageError,
    get_accuracy,
    load_model,
    make_predictions,
    prepare_digit,
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
