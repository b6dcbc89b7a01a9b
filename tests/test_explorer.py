"""The explorer without a browser: what Python answers. The rest is in test_browser.py."""

import base64
import io
import math
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

import mnist_nn.explorer
from mnist_nn import (
    MNIST,
    NUMBER_RECOGNITION,
    Network,
    NetworkExplorer,
    Prediction,
    forward_prop,
    init_params,
    load_model,
    plot_activations,
    predict,
)
from mnist_nn.explorer import alter

SEVEN = [[[0.3, 0.2], [0.7, 0.2], [0.5, 0.8]]]
SMALL = init_params([784, 6, 4, 10], rng=0)


def answer(network: Network, x: Any, off: Any, activation: str, biases: bool) -> list[float]:
    """Compute the probabilities neuron by neuron, where one that is off passes on 0."""
    a = [float(number) for number in x]
    for layer, (w, b) in enumerate(zip(network.w, network.b, strict=True)):
        z = [
            sum(a[i] * float(w[i, j]) for i in range(len(a))) + (float(b[j]) if biases else 0)
            for j in range(len(b))
        ]
        if layer == len(network.w) - 1:
            return [math.exp(score) / sum(map(math.exp, z)) for score in z]
        g = {"relu": lambda s: max(s, 0.0), "sigmoid": lambda s: 1 / (1 + math.exp(-s))}[activation]
        a = [0.0 if j in off[layer] else g(score) for j, score in enumerate(z)]
    raise AssertionError


@pytest.mark.parametrize("off", [[[], []], [[1], [0, 2]], [[0, 1, 2, 3, 4], []], [[], [0, 1, 2]]])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("biases", [True, False])
def test_what_is_off_passes_on_nothing(off: Any, activation: Any, biases: bool) -> None:
    rng = np.random.default_rng(0)
    network = init_params([7, 5, 3, 4], "sigmoid", rng=rng)
    for b in network.b:
        b[:] = rng.standard_normal(b.shape)
    before = [p.copy() for p in [*network.w, *network.b]]
    altered = alter(network, off=off, activation=activation, biases=biases)
    X = rng.random((5, 7), np.float32)
    expected = [answer(network, x, off, activation, biases) for x in X]
    np.testing.assert_allclose(forward_prop(altered, X)[-1], expected, rtol=1e-5)
    assert all(map(np.array_equal, before, [*network.w, *network.b]))
    if any(len(neurons) == width for neurons, width in zip(off, (5, 3), strict=True)):
        np.testing.assert_allclose(np.ptp(expected, axis=0), 0, atol=1e-15)  # whatever the image


def test_noise_is_seeded_and_relative_to_each_layer() -> None:
    network = init_params([784, 64, 32, 10], rng=0)
    network.w[1] *= 100
    weak, strong = alter(network, noise=0.1, rng=1), alter(network, noise=0.2, rng=1)
    for w, some, more in zip(network.w, weak.w, strong.w, strict=True):
        assert some.dtype == np.float32
        np.testing.assert_allclose((some - w).std() / w.std(), 0.1, rtol=0.1)
        np.testing.assert_allclose(more - w, 2 * (some - w), rtol=1e-3, atol=1e-4 * w.std())
    assert not np.array_equal(weak.w[0], alter(network, noise=0.1, rng=2).w[0])
    assert not alter(network, noise=0.1, off=[[3], []]).w[1][3].any()
    assert all(np.array_equal(b, c) for b, c in zip(network.b, weak.b, strict=True))


SNAPSHOTS = {332: load_model(NUMBER_RECOGNITION)}
SNAPSHOTS |= {epoch: init_params([784, 64, 32, 10], "sigmoid", rng=epoch) for epoch in (0, 10)}


@pytest.fixture(scope="module")
def explorer(mnist: MNIST) -> NetworkExplorer:
    return NetworkExplorer(SNAPSHOTS, data=mnist)


CHANGES: list[dict[str, Any]] = [
    {"off": [[0, 5, 63], [31]]},
    {"off": [[*range(64)], []]},
    {"noise": 0.6},
    {"biases": False},
    {"activation": "relu"},
    {"epoch": 0},
    {"epoch": 10, "noise": 0.2, "off": [[], [3]]},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_accuracy_and_the_answer_follow_a_change(
    explorer: NetworkExplorer, mnist: MNIST, changes: dict[str, Any]
) -> None:
    explorer.reset()
    explorer.strokes = SEVEN
    start = time.process_time()
    explorer.set_state(changes | {"changes": explorer.changes + 1})
    assert time.process_time() - start < 0.2
    assert explorer.changes_read == explorer.changes
    shown = {"noise": 0.0, "biases": True, "off": [[], []], "activation": "sigmoid"} | changes
    expected = alter(SNAPSHOTS[shown.pop("epoch", 332)], **shown)
    assert all(map(np.array_equal, explorer.network.w, expected.w))
    X, Y = mnist.test_X[:1000], mnist.test_Y[:1000]
    assert explorer.accuracy == predict(X, Y, *expected).accuracy
    x = np.frombuffer(explorer.seen, np.uint8) / np.float32(255)
    A = forward_prop(expected, x[None])
    for layer, neurons in enumerate(shown["off"], 1):
        A[layer][0, neurons] = 0
    activations = np.frombuffer(explorer.activations, np.float32)
    np.testing.assert_allclose(activations, np.concatenate(A[1:], axis=None), atol=0.02)
    assert explorer.probabilities == explorer.prediction.probabilities.tolist()
    explorer.reset()
    assert explorer.accuracy == explorer.untouched == predict(X, Y, *SNAPSHOTS[332]).accuracy


def test_each_thing_is_computed_once_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = NetworkExplorer()
    calls: list[str] = []
    for name in ("alter", "prepare_strokes"):
        function = getattr(mnist_nn.explorer, name)

        def counted(*rest: Any, name: str = name, function: Any = function, **named: Any) -> Any:
            calls.append(name)
            return function(*rest, **named)

        monkeypatch.setattr(mnist_nn.explorer, name, counted)
    explorer.set_state({"noise": 0.1, "biases": False, "off": [[1], [2]], "changes": 1})
    assert calls == ["alter", "alter"]  # with the noise, and then with the rest
    explorer.set_state({"biases": True, "changes": 2})
    assert calls.pop() == "alter"
    assert calls == ["alter", "alter"]  # the noise was kept
    explorer.set_state({"stroke": SEVEN, "example": None, "changes": 3})
    assert calls == ["alter", "alter", "prepare_strokes"]
    # At its end, the stroke joins the others: the drawing is the same.
    explorer.set_state({"strokes": SEVEN, "stroke": [], "changes": 4})
    explorer.set_state({"neuron": [2, 3], "changes": 5})
    assert calls == ["alter", "alter", "prepare_strokes"]


def test_the_digit_is_an_example_a_drawing_or_none(mnist: MNIST) -> None:
    explorer = NetworkExplorer(data=mnist)
    assert explorer.message == "The network reads a 7"
    assert explorer.seen == np.round(255 * mnist.test_X[0]).astype(np.uint8).tobytes()
    X, Y = mnist.test_X[:1000], mnist.test_Y[:1000]
    read = predict(X, Y, *explorer.network).predictions
    wrong = explorer.example = int(np.flatnonzero(read != Y)[0])
    article = {8: "an"}
    expected = [f"{article.get(digit, 'a')} {digit}" for digit in (int(read[wrong]), int(Y[wrong]))]
    assert explorer.message == "The network reads {}, but it is {}".format(*expected)
    explorer.set_state({"stroke": SEVEN, "example": None, "changes": 1})
    assert isinstance(explorer.prediction, Prediction)
    assert explorer.message == "The network reads a 7"
    explorer.set_state({"strokes": SEVEN, "stroke": [], "changes": 2})
    explorer.strokes = []
    assert explorer.message == "Nothing drawn yet"
    assert explorer.prediction is None
    explorer.strokes = [[[0.5, 0.5]]]
    assert explorer.message == "Not sure: this does not look like one digit"
    explorer.strokes, explorer.off = SEVEN, [[*range(64)], [*range(32)]]  # only biases are left
    assert explorer.message.startswith("Not sure: no answer is more probable")
    explorer.strokes = []
    assert (explorer.seen, explorer.activations, explorer.probabilities) == (b"", b"", [])


@pytest.mark.parametrize("neuron", [[1, 5], [2, 30], [3, 9]])
def test_a_neuron_in_detail(explorer: NetworkExplorer, mnist: MNIST, neuron: list[int]) -> None:
    explorer.reset()
    explorer.neuron = neuron
    detail, (layer, number) = explorer.detail, neuron
    w, b, _ = explorer.network

    def floats(name: str) -> Any:
        return np.frombuffer(detail[name], np.float32)

    assert detail["neuron"] == neuron
    assert detail["bias"] == float(b[layer - 1][number])
    assert np.array_equal(floats("incoming"), w[layer - 1][:, number])
    outgoing = w[layer][number] if layer < 3 else []
    assert np.array_equal(floats("outgoing"), outgoing)
    # Of a linear network, the input to a neuron is the sum over all paths from a pixel to it.
    through = np.eye(784) @ w[0]
    for weights in w[1:layer]:
        through = through @ weights
    np.testing.assert_allclose(floats("pixels"), through[:, number], atol=1e-4)
    A = forward_prop(explorer.network, mnist.test_X[:1000])[layer][:, number]
    strongest = sorted(range(1000), key=lambda i: (-A[i], i))[:8]
    assert detail["excited"] == A[strongest].tolist()
    assert detail["labels"] == mnist.test_Y[strongest].tolist()
    images = np.frombuffer(detail["digits"], np.uint8).reshape(-1, 784)
    np.testing.assert_allclose(images / 255, mnist.test_X[strongest], atol=1e-6)


def test_only_the_digits_that_are_read_stay_in_memory(mnist: MNIST) -> None:
    for explorer in (NetworkExplorer(data=mnist), NetworkExplorer()):
        for part in (explorer._X, explorer._Y):
            assert len(part) == 1000
            assert part.base is None  # no view of all 10,000
    assert NetworkExplorer()._X is explorer._X


def test_what_is_off_is_assigned_not_changed_in_place() -> None:
    explorer = NetworkExplorer(SMALL)
    before = explorer.accuracy
    explorer.off[0].append(5)
    assert explorer.off == [[], []]
    explorer.off = [np.arange(6), (np.int64(0),)]
    assert explorer.off == [[0, 1, 2, 3, 4, 5], [0]]
    assert {type(neuron) for neurons in explorer.off for neuron in neurons} == {int}
    assert not explorer.network.w[1].any()
    explorer.off = [[], []]
    assert explorer.accuracy == before


def test_a_neuron_that_nothing_excites() -> None:
    network = init_params([784, 3, 10], rng=0)
    network.w[0][:], network.b[0][:] = 0, -1
    explorer = NetworkExplorer(network)
    explorer.neuron = [1, 1]
    assert (explorer.detail["labels"], explorer.detail["digits"]) == ([], b"")
    assert np.isfinite(explorer.brightest).all()
    assert min(explorer.brightest) > 0
    # Nor does a network without hidden layers break anything.
    plain = NetworkExplorer(init_params([784, 10], rng=0))
    assert (plain.off, plain.neuron[0], plain.layers) == ([], 1, [784, 10])
    assert 0 < plain.accuracy < 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"off": [[1]]}, "off must have a list for each of 2 hidden layers, not 1; write"),
        ({"off": [[64], []]}, "off must number neurons from 0 to 63, not 64; choose"),
        ({"off": [[True], []]}, "off must number neurons from 0 to 63, not True; choose"),
        ({"off": [[], [-1]]}, "off must number neurons from 0 to 31, not -1; choose"),
        ({"off": "all"}, "off must have a list for each of 2 hidden layers, not 'all'; write"),
        ({"noise": -0.1}, "noise must be a number from 0 to 2, not -0.1; give"),
        ({"noise": math.nan}, "noise must be a number from 0 to 2, not nan; give"),
        ({"noise": 2.1}, "noise must be a number from 0 to 2, not 2.1; give"),
        ({"activation": "tanh"}, "'activation' trait"),
        ({"epoch": 5}, r"epoch must be one of \[0, 10, 332\], not 5; choose"),
        ({"example": 1000}, "example must number a test image from 0 to 999, not 1000; choose"),
        ({"neuron": [0, 3]}, r"neuron must be a layer, .*not \[0, 3\]; the network has"),
        ({"neuron": [4, 3]}, r"neuron must be a layer, .*not \[4, 3\]; the network has"),
        ({"neuron": [3, 10]}, r"neuron must be a layer, .*not \[3, 10\]; the network has"),
        ({"neuron": []}, r"neuron must be a layer, .*not \[\]; the network has"),
        ({"stroke": [[[2, 0]]]}, "numbers from 0 to 1"),
        ({"stroke": [[[0.5, 0.5]] * 4999]}, "at most 5,000 points in all"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    explorer: NetworkExplorer, changes: dict[str, Any], message: str
) -> None:
    explorer.reset()
    explorer.strokes = SEVEN
    ((name, value),) = changes.items()
    before = getattr(explorer, name)
    with pytest.raises(TraitError, match=message):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    explorer.set_state(changes | {"changes": explorer.changes + 1})
    assert getattr(explorer, name) == before
    assert re.search(message, explorer.message)
    assert explorer.changes_read == explorer.changes
    explorer.off = [[3, 1, 3], []]
    assert explorer.off == [[1, 3], []]


def test_only_snapshots_of_one_network_can_be_explored(mnist: MNIST) -> None:
    with pytest.raises(TypeError, match="expected a Network, not str"):
        NetworkExplorer("record.npz")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"snapshots\[0\] .*: expected a Network, not tuple"):
        NetworkExplorer({0: (SMALL, None)})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="snapshots must hold 1 or more networks, not 0"):
        NetworkExplorer({})
    with pytest.raises(ValueError, match="each epoch of network must be a whole number of at lea"):
        NetworkExplorer({"last": SMALL})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="snapshots must hold networks of the same layers"):
        NetworkExplorer({0: SMALL, 10: SNAPSHOTS[10]})
    with pytest.raises(ValueError, match=r"same layers and activation, not .*'relu'.*'sigmoid'"):
        NetworkExplorer({0: SNAPSHOTS[0]._replace(activation="relu"), 10: SNAPSHOTS[10]})
    with pytest.raises(ValueError, match="network must take 784 pixels, not 9"):
        NetworkExplorer(init_params([9, 10], rng=0))
    with pytest.raises(TypeError, match="data must be an MNIST, not tuple"):
        NetworkExplorer(data=tuple(mnist))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"data\.test_Y must .*0 to 2"):
        NetworkExplorer(init_params([784, 3], rng=0))


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js, node, on the PATH")
def test_the_scripts_of_canvas_and_explorer_are_one_module(tmp_path: Path) -> None:
    script = tmp_path / "explorer.mjs"
    script.write_text(str(NetworkExplorer._esm), "utf-8")
    names = f"import('{script.as_uri()}').then(({{default: widget}}) => console.log(widget))"
    command = ["node", "--input-type=module", "--eval", names]
    came = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert came.stdout.strip() == "{ render: [Function: renderExplorer] }", came.stderr


def test_without_a_browser_there_is_a_picture_of_every_layer(mnist: MNIST) -> None:
    explorer = NetworkExplorer(data=mnist)
    explorer.off = [[*range(64)], []]
    bundle, metadata = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == (
        f"Network(784 → 64 → 32 → 10, sigmoid, 52,650 parameters), {explorer.accuracy:.1%} of "
        "1,000 test digits read correctly"
    )
    page = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert metadata["image/png"]["width"] == page.width // 2 > 600
    file = io.BytesIO()
    pixels, first, second, P = forward_prop(explorer.network, mnist.test_X[:1])
    figure = plot_activations([pixels, 0 * first, second, P])
    figure.savefig(file, dpi=200, bbox_inches="tight")
    assert np.array_equal(page, Image.open(file))
