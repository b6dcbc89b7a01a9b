"""Synthetic digits for the tests: brush strokes and fonts, clean or as a camera would see them.

``uv run tests/drawn.py`` makes the pictures in ``data`` that notebook 06 reads.
"""

import io
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 400
DATA = Path(__file__).resolve().parent.parent / "data"
FONTS = [
    *("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "DejaVuSans-Bold", "DejaVuSerif-Italic"),
    *("STIXGeneral", "cmr10", "cmss10", "cmtt10"),
]


def arc(x, y, across, down, start, end):
    """Points on an ellipse around (x, y), clockwise from one angle to another, in degrees."""
    angles = np.radians(np.linspace(start, end, 36))
    return list(zip(x + across * np.cos(angles), y + down * np.sin(angles), strict=True))


# Ways to write each digit: strokes through points (x, y) in a box of 100 × 150, y downward.
SHAPES = {
    0: [
        [arc(50, 75, 42, 70, -90, 275)],
        [arc(50, 75, 32, 70, -60, 300)],
        [arc(50, 75, 48, 55, -100, 260)],
    ],
    1: [
        [[(50, 5), (50, 145)]],
        [[(22, 40), (55, 5), (55, 145)]],
        [[(60, 5), (42, 145)]],
        [[(25, 35), (52, 5), (52, 145)], [(20, 145), (85, 145)]],
    ],
    2: [
        [[*arc(50, 42, 38, 37, -170, 30), (60, 85), (12, 142), (92, 142)]],
        [
            [
                *arc(48, 42, 36, 37, -160, 40),
                *[(50, 100), (20, 132)],
                *arc(28, 132, 14, 12, 160, -60),
                *[(60, 140), (92, 134)],
            ]
        ],
    ],
    3: [
        [[*arc(46, 40, 36, 35, -150, 80), (45, 74), *arc(46, 110, 42, 36, -80, 150)]],
        [[(12, 8), (85, 8), (45, 60), *arc(46, 102, 42, 43, -80, 150)]],
    ],
    4: [
        [[(30, 5), (12, 90), (90, 90)], [(70, 45), (66, 148)]],
        [[(65, 145), (65, 5), (8, 100), (92, 100)]],
        [[(18, 8), (15, 70), (78, 70)], [(80, 5), (76, 145)]],
    ],
    5: [
        [[(85, 8), (25, 8), (20, 65), *arc(46, 100, 42, 44, -110, 150)]],
        [[(25, 10), (20, 65), *arc(46, 100, 42, 44, -110, 150)], [(25, 10), (88, 6)]],
    ],
    6: [
        [[(72, 6), (35, 45), (14, 95), *arc(50, 105, 37, 40, -170, 185)]],
        [[*arc(85, 75, 72, 75, -100, -180), *arc(50, 107, 37, 38, 180, -170)]],
    ],
    7: [
        [[(10, 8), (90, 8), (40, 145)]],
        [[(10, 10), (88, 8), (42, 145)], [(30, 75), (82, 72)]],
        [[(14, 28), (14, 8), (90, 8), (60, 70), (45, 145)]],
    ],
    8: [
        [[*arc(50, 40, 32, 33, 90, -270), *arc(50, 110, 40, 36, -90, 270)]],
        [
            [
                (80, 18),
                *arc(50, 38, 32, 30, -40, -230),
                (60, 78),
                *arc(50, 112, 36, 32, -60, 190),
                *[(40, 80), (82, 22)],
            ]
        ],
    ],
    9: [
        [[*arc(48, 45, 36, 38, -10, -350), (84, 50), (78, 145)]],
        [
            [
                *arc(48, 42, 36, 36, -20, -340),
                *[(84, 40), (84, 100)],
                *arc(52, 104, 32, 38, 0, 130),
            ]
        ],
        [[*arc(48, 42, 36, 37, -20, -340), (82, 30), (50, 145)]],
    ],
}


def strokes(digit, rng):
    """The strokes of a digit, (points, 2) each, about 1 high, in a random handwriting style."""
    shape = SHAPES[digit][rng.integers(len(SHAPES[digit]))]
    slant, aspect, turn = rng.uniform(-0.1, 0.3), rng.uniform(0.75, 1.15), rng.normal(0, 0.06)
    hand = np.array([[aspect, 0], [-slant, 1]])
    hand = hand @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    written = []
    for stroke in shape:
        points = np.array(stroke) / 150 - [1 / 3, 1 / 2]
        along = np.cumsum(np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T))
        at = np.linspace(0, along[-1], 60)
        points = np.stack([np.interp(at, along, axis) for axis in points.T], axis=1)
        wobble = rng.normal(0, 0.06, (60 + 24, 2))
        points = smooth(np.pad(points, ((4, 4), (0, 0)), mode="edge"), 9) + smooth(wobble, 25)
        written.append(points @ hand)
    return written


def smooth(points, length):
    window = np.hanning(length)
    return np.stack([np.convolve(c, window / window.sum(), "valid") for c in points.T], axis=1)


def brushed(digit, rng, height=None, width=None):
    """The ink of a digit drawn with a brush: (SIZE, SIZE), from 0 to 1."""
    height = height or rng.uniform(0.35, 0.8) * SIZE
    width = width or rng.choice([0.02, 0.04, 0.07, 0.1, 0.14]) * height
    room = max(SIZE - 1.15 * height, 0) / 2
    center = SIZE / 2 + rng.uniform(-0.8, 0.8, 2) * room
    mask = Image.new("L", (2 * SIZE, 2 * SIZE))
    brush = ImageDraw.Draw(mask)
    for points in strokes(digit, rng):
        points = 2 * (points * height + center)
        brush.line([tuple(p) for p in points], 255, max(1, round(2 * width)), joint="curve")
        for x, y in points:
            brush.ellipse([x - width, y - width, x + width, y + width], fill=255)
    return np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX)) / 255


@cache
def font(name, size):
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", size)


def printed(digit, rng):
    """The ink of a digit printed in one of nine fonts: (SIZE, SIZE), from 0 to 1."""
    height = rng.uniform(0.35, 0.8) * SIZE
    at = SIZE / 2 + rng.uniform(-0.4, 0.4, 2) * (SIZE - height)
    mask = Image.new("L", (SIZE, SIZE))
    face = font(FONTS[rng.integers(len(FONTS))], int(height / 0.73))
    ImageDraw.Draw(mask).text(tuple(at), str(digit), fill=255, font=face, anchor="mm")
    return np.asarray(mask) / 255


def scanned(mask):
    """Black ink on white paper, as from a drawing program."""
    return Image.fromarray(np.uint8(255 - 255 * mask))


def photographed(mask, rng, light_on_dark=None):
    """A photograph of the ink: rotated, in perspective, unevenly lit, noisy, saved as JPEG."""
    n = len(mask)
    image = Image.fromarray(np.uint8(mask * 255))
    image = image.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC)
    corners = np.array([[0, 0], [n, 0], [n, n], [0, n]])
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, corners + rng.uniform(-0.06, 0.06, (4, 2)) * n, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    perspective = np.linalg.solve(equations, values)
    image = image.transform(
        (n, n), Image.Transform.PERSPECTIVE, perspective, Image.Resampling.BICUBIC
    )
    mask = np.asarray(image)[..., None] / 255

    paper = rng.uniform(0.75, 1) + rng.uniform(-0.05, 0.05, 3)
    contrast = rng.choice([0.15, 0.4, 0.8])
    ink = np.clip(paper - contrast * (1 + rng.uniform(-0.08, 0.08, 3)), 0, 1)
    if light_on_dark if light_on_dark is not None else rng.random() < 0.25:
        paper, ink = 1 - paper, 1 - ink
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    slopes = rng.normal(0, [0.15, 0.15, 0.08, 0.08, 0.08])
    light = np.exp(np.tensordot(slopes, [x, y, x * y, x * x, y * y], 1)) * rng.uniform(0.6, 1)
    colors = np.clip((paper * (1 - mask) + ink * mask) * light[..., None], 0, 1)

    image = Image.fromarray(np.uint8(255 * colors))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    noisy = np.asarray(image) + rng.normal(0, rng.uniform(0, 5), (n, n, 3))
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.clip(noisy, 0, 255))).save(
        file, "JPEG", quality=int(rng.integers(35, 95))
    )
    return Image.open(file)


def pasted(digit, rng):
    """Paste an MNIST digit, (784,), dark on a light page, at a random size and position."""
    side = int(28 * rng.uniform(1, 8))
    page = np.zeros(2 * [int(side * rng.uniform(1.2, 3))])
    image = Image.fromarray(digit.reshape(28, 28)).resize(2 * [side], Image.Resampling.BICUBIC)
    top, left = rng.integers(0, len(page) - side + 1, 2)
    page[top : top + side, left : left + side] = np.clip(np.asarray(image), 0, 1)
    return Image.fromarray(np.uint8(250 - 220 * page))


def main():
    """Save a photograph of a 5, and a sheet with six of each digit, all drawn with a brush."""
    rng = np.random.default_rng(20)
    five = brushed(5, rng, height=230, width=12)
    photographed(five, rng, light_on_dark=False).save(DATA / "digit_photo.jpg", quality=85)
    sheet = Image.new("RGB", (10 * 120, 6 * 120))
    for row, digit in np.ndindex(6, 10):
        picture = photographed(brushed(digit, rng), rng).resize((120, 120))
        sheet.paste(picture, (120 * digit, 120 * row))
    sheet.save(DATA / "digit_sheet.jpg", quality=85)


if __name__ == "__main__":
    main()
