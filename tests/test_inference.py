import copy
import gzip
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import IPython.display
import numpy as np
import pytest
from drawn import (
    LETTERS,
    LIKE_DIGITS,
    brushed,
    no_digit,
    on_paper,
    pasted,
    printed,
    scanned,
    strokes,
)
from PIL import Image

from mnist_nn import (
    DATA_DIR,
    DIGIT_OR_NOT,
    MNIST,
    MOST_DOUBT,
    NUMBER_RECOGNITION,
    RECORD,
    ImageError,
    ModelError,
    Network,
    Prediction,
    get_accuracy,
    init_params,
    load_model,
    make_predictions,
    plot_prediction,
    predict_image,
    predict_index,
    predict_proba,
    prepare_digit,
    prepare_strokes,
)
from mnist_nn.inference import read_drawing
from mnist_nn.preparation import read_picture

NETWORK = init_params([784, 12, 10], "sigmoid", rng=0)


def published(part: str, index: int) -> tuple[Any, int]:
    """Read one digit and its label from the published files, without the package."""
    images = gzip.decompress((DATA_DIR / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA_DIR / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, 784, 16 + 784 * index)
    return pixels / 255, labels[8 + index]


def answer(network: Network, pixels: Any) -> Any:
    """Work out what a sigmoid network of one hidden layer holds, in float64."""
    w, b, _ = network
    hidden = 1 / (1 + np.exp(-(pixels @ w[0].astype(float) + b[0])))
    exponentials = np.exp(hidden @ w[1].astype(float) + b[1])
    return exponentials / exponentials.sum()


@pytest.mark.parametrize(
    ("index", "split", "part"),
    [
        (42, "test", "t10k"),
        (0, "test", "t10k"),
        (9999, "test", "t10k"),
        (0, "train", "train"),
        (59999, "train", "train"),
    ],
)
def test_answer_is_what_the_network_says_of_that_digit(index: int, split: Any, part: str) -> None:
    pixels, label = published(part, index)
    expected = answer(NETWORK, pixels)
    came = predict_index(index, NETWORK, split=split)
    assert isinstance(came, Prediction)
    assert came.label == label
    assert came.digit == expected.argmax()
    np.testing.assert_allclose(came.probabilities, expected, rtol=1e-5)
    assert type(came.digit) is type(came.label) is int


def test_test_digits_are_the_default_and_number_42_is_a_4() -> None:
    assert predict_index(42, NETWORK).label == 4
    assert predict_index(42, NETWORK, split="train").label == 7


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array])
def test_numpy_integers_are_indices(kind: Any) -> None:
    came, expected = predict_index(kind(42), NETWORK), predict_index(42, NETWORK)
    assert came[:2] == expected[:2]
    assert np.array_equal(came.probabilities, expected.probabilities)


@pytest.mark.parametrize(
    ("index", "split", "error", "said"),
    [
        (10000, "test", IndexError, "test images are numbered 0 to 9999, and 10000 is not"),
        (60000, "train", IndexError, "train images are numbered 0 to 59999, and 60000 is not"),
        (-1, "test", IndexError, "0 to 9999, and -1 is not"),
        (10**30, "test", IndexError, "0 to 9999"),
        (3.5, "test", TypeError, "whole number, not 3.5"),
        (3.0, "test", TypeError, "whole number, not 3.0"),
        ("42", "test", TypeError, "whole number, not '42'"),
        (None, "test", TypeError, "whole number, not None"),
        ([42], "test", TypeError, "whole number"),
        (42, "validation", ValueError, '"train" or "test", not \'validation\''),
        (42, None, ValueError, '"train" or "test", not None'),
    ],
)
def test_what_is_no_index_gets_a_clear_error(
    index: Any, split: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        predict_index(index, NETWORK, split=split)
    assert caught.type is error
    assert said in str(caught.value)


def test_shipped_model_is_the_default(mnist: MNIST) -> None:
    network = load_model(NUMBER_RECOGNITION)
    came, expected = predict_index(42), predict_index(42, network)
    assert came[:2] == expected[:2] == (4, 4)
    assert np.array_equal(came.probabilities, expected.probabilities)
    assert get_accuracy(make_predictions(network, mnist.test_X), mnist.test_Y) >= 0.97


def test_missing_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mnist_nn.inference.NUMBER_RECOGNITION", tmp_path / "missing.npz")
    with pytest.raises(ModelError) as caught:
        predict_index(42)
    assert str(tmp_path / "missing.npz") in str(caught.value)
    assert predict_index(42, NETWORK).label == 4


def test_predictions_are_equal_if_all_that_they_say_is() -> None:
    p = np.array([0.0, 0.25, 0.75])
    prediction = Prediction(2, 1, p)
    assert prediction == Prediction(2, 1, p.copy())
    assert not prediction != Prediction(2, 1, p.copy())  # noqa: SIM202
    for other in (Prediction(1, 1, p), Prediction(2, None, p), Prediction(2, 1, p[::-1]), (2, 1)):
        assert prediction != other
        assert not prediction == other  # noqa: SIM201
    digit, label, probabilities = prediction
    assert (digit, label) == (2, 1)
    assert probabilities is p


@pytest.mark.parametrize(
    "copied",
    [
        lambda prediction: prediction._replace(),
        lambda prediction: prediction.__replace__(label=1),
        copy.copy,
        copy.deepcopy,
        lambda prediction: pickle.loads(pickle.dumps(prediction)),
    ],
)
def test_a_copy_of_a_prediction_keeps_the_names(copied: Callable[[Any], Any]) -> None:
    names, p = [*"abcdefghij"], np.linspace(0, 0.2, 10)
    for class_names in (names, np.array(names)):
        prediction = predict_index(2, NETWORK, class_names=class_names)  # a 1
        came = copied(prediction)
        assert type(came) is Prediction
        assert came == prediction
        assert repr(came) == repr(prediction)
        assert "label=b" in repr(came)
        assert came != predict_index(2, NETWORK)
        assert came != predict_index(2, NETWORK, class_names=names[::-1])
        changed = came._replace(digit=4, probabilities=p)
        assert repr(changed).startswith("Prediction(e, label=b, probabilities=a 0.0%, b 2.2%, c")
        digit, label, probabilities = changed
        assert (digit, label) == (4, 1)
        assert probabilities is p
    with pytest.raises(TypeError, match="unhashable"):  # as arrays are
        hash(prediction)


def test_prediction_prints_in_one_line() -> None:
    text = repr(Prediction(4, 9, np.array([0.0, 0.25, 0.75])))
    assert text == "Prediction(digit=4, label=9, probabilities=0.0% 25.0% 75.0%)"


def test_says_nothing_outside_a_notebook(capfd: pytest.CaptureFixture[str]) -> None:
    predict_index(0, NETWORK)
    assert capfd.readouterr() == ("", "")


def test_shows_the_picture_of_the_answer_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[IPython.display.Image] = []
    monkeypatch.setattr("mnist_nn.inference.in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", shown.append)
    came = predict_index(42, NETWORK)
    (image,) = shown
    page = Image.open(io.BytesIO(image.data))
    assert image.width == page.width // 2
    expected = plot_prediction(published("t10k", 42)[0], came.probabilities, 4)
    assert np.array_equal(page, expected)
    assert capfd.readouterr() == ("", "")


PAGE = np.full((120, 150, 3), (250, 240, 200), np.uint8)
PAGE[20:100, 70:80] = (30, 20, 90)


def test_image_is_read_by_what_preparation_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: list[Callable[[], Image.Image]] = []
    monkeypatch.setattr("mnist_nn.inference._show", shown.append)
    Image.fromarray(PAGE).save(tmp_path / "one.png")
    x = prepare_digit(PAGE).reshape(784)
    expected = answer(NETWORK, x)
    for image in (PAGE, Image.fromarray(PAGE), tmp_path / "one.png", str(tmp_path / "one.png")):
        came = predict_image(image, NETWORK)
        assert came.label is None
        assert came.digit == expected.argmax()
        np.testing.assert_allclose(came.probabilities, expected, rtol=1e-5)
    assert came.doubt == "no answer is more probable than all the others together"
    picture = PAGE.astype(float) / 255
    expected_page = plot_prediction(x, came.probabilities, picture=picture, sure=False)
    assert np.array_equal(shown[-1](), expected_page)


def test_record_network_is_the_default_for_images() -> None:
    came = predict_image(PAGE)
    assert came.digit == 1
    expected = predict_image(PAGE, load_model(RECORD))
    assert np.array_equal(came.probabilities, expected.probabilities)


def test_an_image_that_shows_nothing_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nothing stands out"):
        predict_image(np.full((90, 90), 255), NETWORK)
    with pytest.raises(ImageError, match="there is none"):
        predict_image(tmp_path / "none.png", NETWORK)
    with pytest.raises(TypeError, match="path, a Pillow image or an array"):
        predict_image(42, NETWORK)  # type: ignore[arg-type]


KINDS = ["dot", "blot", "scribble", "frame", "pair", "letter"]


def doubted(images: list[Any], network: Network) -> float:
    """The fraction of images, each (28, 28), whose answer is in doubt."""
    return float(
        np.mean([read_drawing(network, x.reshape(1, 784)).doubt is not None for x in images])
    )


@pytest.mark.long
def test_what_is_no_digit_is_doubted_and_digits_are_not(mnist: MNIST) -> None:
    """On digits, letters and drawings that played no part in the training or in the threshold."""
    network, rng = load_model(NUMBER_RECOGNITION), np.random.default_rng(1)
    for kind in KINDS:
        found = doubted([prepare_strokes(no_digit(kind, rng)) for _ in range(200)], network)
        print(f"{kind}, drawn: {found:.1%} doubted")
        assert found >= 0.9
    letters = [letter for letter in LETTERS if letter not in LIKE_DIGITS]
    fonts = ["DejaVuSansMono", "cmtt10", "cmmi10", "STIXGeneralBolIta"]  # all of them new
    pages = [scanned(printed(rng.choice(letters), rng, fonts)) for _ in range(100)]
    found = doubted([prepare_digit(page) for page in pages], network)
    print(f"letters in other fonts, as pictures: {found:.1%} doubted")
    assert found >= 0.9
    pairs = [np.hstack(rng.choice(mnist.test_X, 2).reshape(2, 28, 28)) for _ in range(100)]
    found = doubted([prepare_digit(np.pad(page, 4)) for page in pairs], network)
    print(f"pairs of test digits: {found:.1%} doubted")
    assert found >= 0.9
    drawn = [prepare_strokes(on_paper(strokes(i % 10, rng), rng)) for i in range(500)]
    found = doubted(drawn, network)
    print(f"digits, drawn: {found:.1%} doubted")
    assert found <= 0.02
    doubt = predict_proba(load_model(DIGIT_OR_NOT), mnist.test_X)[:, 1]
    print(f"10,000 test digits: {(doubt > MOST_DOUBT).mean():.2%} doubted")
    assert (doubt > MOST_DOUBT).mean() <= 0.02
    pages = [pasted(x, rng) for x in mnist.test_X[:200]]
    found = doubted([prepare_digit(page) for page in pages], load_model(RECORD))
    print(f"200 test digits, pasted: {found:.1%} doubted")
    assert found <= 0.02


def test_a_doubtful_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Callable[[], Image.Image]] = []
    monkeypatch.setattr("mnist_nn.inference._show", shown.append)
    seven = 1 - np.asarray(scanned(brushed(7, np.random.default_rng(3), height=260))) / 255
    page = np.hstack([seven, seven])
    came = predict_image(page)
    assert came.doubt == "this does not look like one digit"
    assert repr(came).endswith("%, doubt='this does not look like one digit')")
    assert copy.copy(came) == came != came.__class__(*came)
    picture = read_picture(page)
    x, p = prepare_digit(page).ravel(), came.probabilities
    expected = plot_prediction(x, p, picture=picture, sure=False)
    assert np.array_equal(shown[-1](), expected)
    assert not np.array_equal(expected, plot_prediction(x, p, picture=picture))
    # Of other classes, it is not known what they look like.
    assert predict_image(page, class_names=[*"abcdefghij"]).doubt is None


def test_an_answer_that_is_not_even_half_certain_is_doubted() -> None:
    one = prepare_digit(PAGE).reshape(1, 784)
    network = init_params([784, 3], rng=0)
    for w in network.w:
        w[:] = 0
    for bias, doubt in ((0.0, True), (0.6, True), (0.8, False)):  # e^0.6 < 2 < e^0.8
        network.b[0][:] = [0, bias, 0]
        assert (read_drawing(network, one).doubt is not None) == doubt


@pytest.mark.parametrize("split", ["test", "train"])
def test_later_calls_do_not_read_the_digits_again(
    split: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_index(0, NETWORK, split=split)
    read = []
    monkeypatch.setattr(Path, "read_bytes", read.append)
    for index in (1, 2, 3):
        predict_index(index, NETWORK, split=split)
    assert read == []


def test_the_network_stays_as_it_was() -> None:
    network = init_params([784, 12, 10], "sigmoid", rng=0)
    predict_index(42, network)
    for came, expected in zip([*network.w, *network.b], [*NETWORK.w, *NETWORK.b], strict=True):
        assert came.tobytes() == expected.tobytes()


@pytest.mark.parametrize("code", ["from mnist_nn.network import forward_prop", "import mnist_nn"])
def test_import_loads_no_more_than_numpy(code: str, tmp_path: Path) -> None:
    code += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    came = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(came.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"pandas", "matplotlib", "tqdm", "IPython", "kaggle", "PIL", "sklearn"}
    assert came.stderr == ""


def test_an_answer_needs_no_matplotlib() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None  # so that importing it fails
import mnist_nn.inference
mnist_nn.inference._show = lambda draw: print(draw().size)
print(mnist_nn.predict_index(42).label)
del sys.modules["matplotlib"]
print(mnist_nn.predict_index(42, class_names=[*"абвгдежзий"]).label)
print("matplotlib" in sys.modules)
"""
    came = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert came.splitlines() == ["(1416, 640)", "4"] * 2 + ["False"]
