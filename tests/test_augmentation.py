"""Warps against shifts made by hand, Pillow, and what their parameters promise."""

from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageChops

from mnist_nn import affine_warp, deform, load_mnist, random_warps, warp

STILL = {"rotation": 0, "scale": 0, "shear": 0, "shift": 0, "elastic": 0}
GRID = np.indices((28, 28)).reshape(2, 784)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_mnist().test_X[:200]


def only(number: int = 1000, **strength: float) -> np.ndarray:
    """Warps of one kind, as points relative to the middle of the frame."""
    return random_warps(number, rng=0, **STILL | strength) - 13.5


def test_warp_without_strength_is_the_identity(digits) -> None:
    points = random_warps(200, rng=0, **STILL)
    np.testing.assert_array_equal(points, np.broadcast_to(GRID, (200, 2, 784)))
    np.testing.assert_array_equal(warp(digits, points), digits)
    np.testing.assert_array_equal(deform(digits, 0, **STILL), digits)


def test_rotation_keeps_distances_and_orientation() -> None:
    turned = only(rotation=30)
    a, b = GRID[:, :, None] - 13.5, turned[..., None]
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=1),
        np.broadcast_to(np.linalg.norm(a[..., 0], axis=0), (1000, 784)),
        atol=1e-4,
    )
    # The angle is the same for every pixel: cross and dot product with where it was.
    angles = np.degrees(
        np.arctan2(a[0] * b[:, 1] - a[1] * b[:, 0], a[0] * b[:, 0] + a[1] * b[:, 1])
    )[..., 0]
    assert np.ptp(angles, axis=1).max() < 1e-3
    assert -30 <= angles.min() < -29
    assert 29 < angles.max() <= 30


def test_scale_shear_and_shift_stay_within_their_bounds_and_reach_them() -> None:
    at = GRID.T.tolist().index([0, 27])  # 13.5 above the middle and 13.5 to its right
    across = GRID.T.tolist().index([13, 27]), GRID.T.tolist().index([14, 27])
    scaled = only(scale=0.2)[:, :, at] / [-13.5, 13.5]
    sheared = only(shear=0.3)
    shifted = only(shift=2)[:, :, at] - [-13.5, 13.5]
    slant = sheared[:, 1, across[1]] - sheared[:, 1, across[0]]  # pixels across for one down
    for values, lowest, highest in (
        (1 / scaled[:, 0], 0.8, 1.2),  # to look at less enlarges
        (1 / scaled[:, 1], 0.8, 1.2),
        (slant, -0.3, 0.3),
        (shifted[:, 0], -2, 2),
        (shifted[:, 1], -2, 2),
    ):
        margin = 0.02 * (highest - lowest)
        assert lowest - 1e-5 <= values.min() < lowest + margin
        assert highest - margin < values.max() <= highest + 1e-5
    assert abs(np.corrcoef(scaled.T)[0, 1]) < 0.1  # height and width on their own
    np.testing.assert_array_equal(sheared[:, 0], np.broadcast_to(GRID[0] - 13.5, (1000, 784)))


def test_only_scale_changes_areas() -> None:
    at = [GRID.T.tolist().index(pixel) for pixel in ([0, 0], [27, 0], [0, 27])]
    for strength, lowest, highest in (({}, 1, 1), ({"scale": 0.2}, 1 / 1.44, 1 / 0.64)):
        corner, below, beside = np.moveaxis(only(rotation=40, shear=0.4, **strength)[..., at], 2, 0)
        areas = np.linalg.det(np.stack([below - corner, beside - corner], axis=1)) / 27**2
        np.testing.assert_allclose([areas.min(), areas.max()], [lowest, highest], rtol=0.06)
        if not strength:
            np.testing.assert_allclose(areas, 1, atol=1e-4)


@pytest.mark.parametrize("smoothness", [2, 4, 7])
def test_elastic_displacement_is_as_large_and_as_smooth_as_asked(smoothness: float) -> None:
    moved = only(4000, elastic=2, smoothness=smoothness) - (GRID - 13.5)
    np.testing.assert_allclose(moved.std(axis=0), 2, rtol=0.08)  # everywhere, the edges too
    rows = moved.reshape(4000, 2, 28, 28)
    # White noise blurred by a Gaussian has the correlation exp(-d² / 4σ²) at distance d.
    # At the frame (columns 0 and 19) a little more, since no bump is centered far outside it.
    for distance, column in ((2, 10), (4, 10), (8, 10), (8, 0), (8, 19)):
        products = rows[..., 10, column] * rows[..., 10, column + distance]
        assert products.mean() / 4 == pytest.approx(
            np.exp(-((distance / smoothness) ** 2) / 4), abs=0.06
        )
    assert abs(np.corrcoef(moved[:, 0, 400], moved[:, 1, 400])[0, 1]) < 0.06


def test_warp_by_whole_pixels_moves_the_digit_and_leaves_empty_pixels(digits) -> None:
    images = digits.reshape(-1, 28, 28)
    expected = np.zeros_like(images)
    expected[:, :-3, 2:] = images[:, 3:, :-2]  # each pixel shows the one 3 below, 2 to the left
    points = np.broadcast_to(GRID + np.array([[3], [-2]]), (200, 2, 784)).astype(np.float32)
    np.testing.assert_array_equal(warp(digits, points).reshape(-1, 28, 28), expected)


@pytest.mark.parametrize("far", [-1e4, -28.0, -1.0, 28.0, 29.5, 1e4])
@pytest.mark.parametrize("axis", [0, 1])
def test_there_is_no_ink_outside_the_frame(far: float, axis: int) -> None:
    points = GRID[None].astype(np.float32)
    points[:, axis] = far
    assert not warp(np.ones((1, 784), np.float32), points).any()


def test_between_pixels_a_warp_is_pillows_bilinear_interpolation(digits) -> None:
    points = only(1, rotation=20, scale=0.2, shear=0.3, shift=2)
    linear = np.linalg.lstsq(np.vstack([GRID, np.ones(784)]).T, points[0].T + 13.5, rcond=None)[0]
    # Pillow counts across before down, and from the corner of the first pixel.
    (yy, xy), (yx, xx), (y0, x0) = linear
    x0, y0 = x0 + 0.5 - 0.5 * (xx + xy), y0 + 0.5 - 0.5 * (yx + yy)
    for digit in digits[:20]:
        ours = warp(digit[None], points + 13.5).reshape(28, 28)
        theirs = Image.fromarray(digit.reshape(28, 28)).transform(
            (28, 28), Image.Transform.AFFINE, (xx, xy, x0, yx, yy, y0), Image.Resampling.BILINEAR
        )
        inside = (slice(2, -2), slice(2, -2))  # at the frame Pillow repeats the edge
        np.testing.assert_allclose(ours[inside], np.asarray(theirs)[inside], atol=1e-5)


@pytest.mark.parametrize(
    ("strengths", "pillow"),
    [
        ({}, lambda image: image),
        ({"shift": (3, -2)}, lambda image: ImageChops.offset(image, -2, 3)),
        ({"rotation": 20}, lambda image: image.rotate(-20, Image.Resampling.BILINEAR)),
        # From the middle of pixel 13 to that of pixel 14 is 1.25 pixels, at 25% larger.
        ({"scale": 0.25}, lambda image: affine(image, (0.8, 0, 2.8, 0, 0.8, 2.8))),
        # One pixel up from the middle is half a pixel to the right.
        ({"shear": 0.5}, lambda image: affine(image, (1, 0.5, -7, 0, 1, 0))),
        # The digit is rotated about its middle, and moved afterwards.
        (
            {"rotation": 90, "shift": (2, 0)},
            lambda image: ImageChops.offset(image.transpose(Image.Transpose.ROTATE_270), 0, 2),
        ),
    ],
)
def test_affine_warps_do_what_pillow_does(digits, strengths, pillow) -> None:
    points = affine_warp(**strengths)
    assert points.shape == (1, 2, 784)
    assert points.dtype == np.float32
    warped = warp(digits[:20], points).reshape(-1, 28, 28)
    for ours, digit in zip(warped, digits, strict=False):
        theirs = np.asarray(pillow(Image.fromarray(digit.reshape(28, 28))))
        inside = (slice(3, -3), slice(3, -3))  # at the frame Pillow repeats the edge
        np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-4)


def affine(image, coefficients):
    method = Image.Transform.AFFINE
    return image.transform((28, 28), method, coefficients, Image.Resampling.BILINEAR)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rotation": np.nan}, "rotation must be a finite number, not nan"),
        ({"scale": -1}, "scale must be a finite number above -1, not -1"),
        ({"shear": None}, "shear must be a finite number, not None"),
        ({"shift": 2}, r"shift must be two numbers, not 2; pass pixels \(down, right\)"),
        ({"shift": (2, "1")}, "shift must be a finite number, not '1'"),
    ],
)
def test_affine_warps_out_of_range_are_refused(wrong, said) -> None:
    with pytest.raises(ValueError, match=said):
        affine_warp(**wrong)


def test_a_warp_is_a_matrix(digits) -> None:
    points = random_warps(1, rng=3)
    matrix = warp(np.eye(784), points)
    warped = warp(digits.astype(np.float64), points)
    np.testing.assert_allclose(digits @ matrix, warped, atol=1e-12)
    assert np.count_nonzero(matrix, axis=0).max() <= 4  # a pixel shows at most four
    assert matrix.sum(axis=0).max() <= 1 + 1e-6  # and is never darker than they are


def test_ink_is_kept_by_warps_that_keep_areas(digits) -> None:
    turned = deform(digits, 0, **STILL | {"rotation": 12, "shift": 0.5, "shear": 0.15})
    np.testing.assert_allclose(turned.sum(axis=1), digits.sum(axis=1), rtol=0.03)
    assert turned.min() >= 0
    assert turned.max() <= 1 + 1e-6


def test_ink_stays_inside_the_frame(digits) -> None:
    deformed = np.concatenate([deform(digits, seed) for seed in range(10)])
    # Larger digits and smaller ones make up for each other; what left the frame would be missing.
    assert deformed.sum() / 10 == pytest.approx(digits.sum(), rel=0.01)
    outermost = np.ones((28, 28), bool)
    outermost[1:-1, 1:-1] = False
    assert deformed[:, outermost.ravel()].sum() < 0.005 * deformed.sum()


def test_every_digit_has_its_own_warp_and_the_same_seed_the_same(digits) -> None:
    same = np.repeat(digits[:1], 5, axis=0)
    first, again, other = (deform(same, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=1).all()
    assert len(np.unique(first, axis=0)) == 5
    np.testing.assert_array_equal(first, deform(same, np.random.default_rng(1)))


def test_deform_keeps_type_and_input(digits) -> None:
    # float64 digits would make every step of training twice as slow.
    before = digits.copy()
    assert deform(digits, 0).dtype == np.float32
    assert deform(digits.astype(np.float64), 0).dtype == np.float64
    assert warp(digits, random_warps(1, rng=0).astype(np.float64)).dtype == np.float32
    np.testing.assert_array_equal(digits, before)


def test_strengths_reach_the_warp(digits) -> None:
    weaker = partial(deform, rotation=3, scale=0, shear=0, shift=0, elastic=0)
    points = random_warps(200, rng=4, **STILL | {"rotation": 3})
    np.testing.assert_array_equal(weaker(digits, 4), warp(digits, points))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rotation": -1}, "rotation must be a finite number of at least 0, not -1"),
        ({"scale": 1}, "scale must be a finite number of at least 0 and below 1, not 1"),
        ({"shear": "0.1"}, "shear must be a finite number of at least 0, not '0.1'"),
        ({"shift": np.inf}, "shift must be a finite number of at least 0, not inf"),
        ({"elastic": np.nan}, "elastic must be a finite number of at least 0, not nan"),
        ({"smoothness": 0.5}, "smoothness must be a finite number of at least 1, not 0.5"),
        ({"number": 2.5}, "number must be a whole number of at least 0, not 2.5"),
        ({"number": -1}, "number must be a whole number of at least 0, not -1"),
    ],
)
def test_strengths_out_of_range_are_refused(wrong, said) -> None:
    with pytest.raises(ValueError, match=said):
        random_warps(**{"number": 3, "rng": 0} | wrong)


def test_no_digits_make_no_digits() -> None:
    assert deform(np.zeros((0, 784), np.float32), 0).shape == (0, 784)


def test_what_does_not_fit_is_refused(digits) -> None:
    with pytest.raises(ValueError, match="one image per row, shape"):
        deform(digits[0], 0)
    with pytest.raises(ValueError, match="divide the pixels by 255"):
        deform((digits * 255).astype(np.uint8), 0)
    with pytest.raises(ValueError, match="a warp for each of 200 images, or one for all"):
        warp(digits, random_warps(3, rng=0))
    with pytest.raises(ValueError, match="points must be numbers, not NaN"):
        warp(digits, np.full((1, 2, 784), np.nan))
    with pytest.raises(TypeError, match="points must be a NumPy array, not list"):
        warp(digits, random_warps(1, rng=0).tolist())
