"""Digits, and what is none, for the tests: brush strokes and fonts, clean or as a camera sees them.

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

# One way to write each letter, in the same box.
LETTERS = {
    "A": [[(8, 145), (50, 5), (92, 145)], [(25, 95), (75, 95)]],
    "B": [
        [(15, 145), (15, 5), *arc(45, 40, 35, 35, -90, 90), (15, 75)],
        [(15, 75), *arc(48, 110, 40, 35, -90, 90), (15, 145)],
    ],
    "C": [arc(55, 75, 45, 70, -50, -310)],
    "D": [[(15, 145), (15, 5), *arc(35, 75, 55, 70, -90, 90), (15, 145)]],
    "E": [[(85, 5), (15, 5), (15, 145), (85, 145)], [(15, 75), (70, 75)]],
    "F": [[(85, 5), (15, 5), (15, 145)], [(15, 75), (70, 75)]],
    "G": [[*arc(52, 75, 44, 70, -50, -360), (60, 75)]],
    "H": [[(12, 5), (12, 145)], [(88, 5), (88, 145)], [(12, 75), (88, 75)]],
    "I": [[(50, 5), (50, 145)]],
    "J": [[(70, 5), *arc(45, 110, 25, 35, 0, 180)], [(40, 5), (95, 5)]],
    "K": [[(15, 5), (15, 145)], [(85, 5), (15, 80), (88, 145)]],
    "L": [[(15, 5), (15, 145), (85, 145)]],
    "M": [[(8, 145), (12, 5), (50, 90), (88, 5), (92, 145)]],
    "N": [[(12, 145), (12, 5), (88, 145), (88, 5)]],
    "O": [arc(50, 75, 45, 70, -90, 270)],
    "P": [[(15, 145), (15, 5), *arc(45, 42, 38, 37, -90, 90), (15, 79)]],
    "Q": [arc(50, 75, 45, 70, -90, 270), [(55, 105), (95, 148)]],
    "R": [[(15, 145), (15, 5), *arc(45, 42, 38, 37, -90, 90), (15, 79), (88, 145)]],
    "S": [[*arc(50, 42, 38, 37, -30, -270), *arc(50, 111, 40, 34, -90, 150)]],
    "T": [[(8, 5), (92, 5)], [(50, 5), (50, 145)]],
    "U": [[(12, 5), *arc(50, 105, 38, 40, 180, 0), (88, 5)]],
    "V": [[(8, 5), (50, 145), (92, 5)]],
    "W": [[(5, 5), (28, 145), (50, 40), (72, 145), (95, 5)]],
    "X": [[(10, 5), (90, 145)], [(90, 5), (10, 145)]],
    "Y": [[(8, 5), (50, 75), (92, 5)], [(50, 75), (50, 145)]],
    "Z": [[(10, 5), (90, 5), (10, 145), (92, 145)]],
    "a": [[*arc(50, 75, 40, 45, -30, -350), (88, 30), (90, 120)]],
    "b": [[(15, 5), (15, 140), *arc(50, 105, 36, 38, 150, -180)]],
    "d": [[*arc(48, 105, 36, 38, -30, -350), (84, 5), (86, 145)]],
    "e": [[(12, 75), (88, 75), *arc(50, 75, 40, 50, 0, -300)]],
    "f": [[*arc(70, 35, 28, 30, -30, -180), (42, 145)], [(15, 65), (75, 65)]],
    "h": [[(15, 5), (15, 145)], [(15, 90), *arc(50, 95, 35, 38, 180, 360), (85, 145)]],
    "k": [[(15, 5), (15, 145)], [(75, 55), (15, 105), (80, 145)]],
    "m": [
        [(5, 40), (5, 130)],
        [*arc(28, 70, 22, 28, 180, 360), (50, 130)],
        [*arc(72, 70, 22, 28, 180, 360), (94, 130)],
    ],
    "n": [[(15, 35), (15, 130)], [*arc(50, 75, 35, 38, 180, 360), (85, 130)]],
    "r": [[(25, 35), (25, 130)], [*arc(60, 75, 35, 38, 180, 310)]],
    "t": [[(45, 5), (45, 120), *arc(65, 120, 20, 22, 180, 40)], [(15, 45), (80, 45)]],
    "u": [[(12, 40), *arc(48, 95, 36, 38, 180, 0), (84, 40), (86, 135)]],
    "w": [[(5, 45), (27, 130), (50, 60), (72, 130), (95, 45)]],
    "y": [[(10, 40), (50, 105)], [(90, 40), (35, 148)]],
}
LIKE_DIGITS = "OISZb"
"""The letters that no one can tell from 0, 1, 5, 2 and 6."""


def strokes(character, rng):
    """The strokes of a character, (points, 2) each, about 1 high, in a random handwriting style."""
    shape = LETTERS.get(character) or SHAPES[character][rng.integers(len(SHAPES[character]))]
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


def on_paper(written, rng, size=None):
    """Strokes at a random place of a canvas, the longer side of a given size or a random one."""
    points = np.concatenate(written)
    size = size or rng.uniform(0.3, 0.9)
    scale = size / np.ptp(points, axis=0).max()
    corner = rng.random(2) * (1 - scale * np.ptp(points, axis=0))
    moved = ((stroke - points.min(axis=0)) * scale + corner for stroke in written)
    return [np.clip(stroke, 0, 1).tolist() for stroke in moved]


def no_digit(kind, rng):
    """The strokes of a dot, a blot, a scribble, a frame, a pair of digits, or a letter."""
    angle = np.linspace(0, 2 * np.pi, 200)
    if kind == "dot":
        return on_paper([0.5 + rng.normal(0, 0.01, (3, 2))], rng, rng.uniform(0.001, 0.05))
    if kind == "blot":  # a spiral, wound more tightly than the pen is wide
        turns, stretch = rng.integers(8, 14), rng.uniform(0.5, 1)
        radius = angle / angle[-1] + rng.normal(0, 0.02, 200)
        spiral = radius * [np.cos(turns * angle), stretch * np.sin(turns * angle)]
        return on_paper([spiral.T], rng)
    if kind == "scribble":  # to and fro in all directions
        path = np.cumsum(rng.normal(0, 1, (300, 2)), axis=0)
        path = path - smooth(np.pad(path, ((40, 40), (0, 0)), mode="edge"), 81)
        return on_paper([smooth(path, 5)], rng)
    if kind == "frame":
        width, height = rng.uniform(0.6, 1, 2)
        sides = [(0, 0), (0, height), (width, height), (width, 0), (rng.normal(0, 0.03), 0)]
        return on_paper([np.array(sides) + rng.normal(0, 0.02, (5, 2))], rng)
    if kind == "pair":
        left, right = (strokes(int(digit), rng) for digit in rng.integers(0, 10, 2))
        gap = np.concatenate(left)[:, 0].max() - np.concatenate(right)[:, 0].min()
        shift = np.array([gap + rng.uniform(0.08, 0.6), 0])
        return on_paper([*left, *(stroke + shift for stroke in right)], rng)
    names = [letter for letter in LETTERS if letter not in LIKE_DIGITS]
    return on_paper(strokes(names[rng.integers(len(names))], rng), rng)


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


def printed(character, rng, fonts=FONTS):
    """The ink of a character printed in one of the fonts: (SIZE, SIZE), from 0 to 1."""
    height = rng.uniform(0.35, 0.8) * SIZE
    at = SIZE / 2 + rng.uniform(-0.4, 0.4, 2) * (SIZE - height)
    mask = Image.new("L", (SIZE, SIZE))
    face = font(fonts[rng.integers(len(fonts))], int(height / 0.73))
    ImageDraw.Draw(mask).text(tuple(at), str(character), fill=255, font=face, anchor="mm")
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
