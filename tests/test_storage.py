import io
import json
import os
import pickle
import re
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import npy

from mnist_nn import ModelError, Network, load_model, model_card, save_model, storage
from mnist_nn.environment import environment


def make_network(layers: list[int], activation: Any = "sigmoid", dtype: Any = "f4") -> Network:
    """Make a network in which no two numbers are equal, biases included."""
    rng = np.random.default_rng(0)
    w = [rng.normal(size=shape).astype(dtype) for shape in pairwise(layers)]
    b = [rng.normal(size=n).astype(dtype) for n in layers[1:]]
    return Network(w, b, activation)


NETWORK = make_network([6, 4, 3])
CARD = {
    "format": 1,
    "neuron_layers": [6, 4, 3],
    "activation": "sigmoid",
    "environment": environment(),
}
ARRAYS = {"w0": NETWORK.w[0], "b0": NETWORK.b[0], "w1": NETWORK.w[1], "b1": NETWORK.b[1]}


def assert_identical(came: Network, expected: Network) -> None:
    assert came.activation == expected.activation
    for parameters, originals in ((came.w, expected.w), (came.b, expected.b)):
        assert len(parameters) == len(originals)
        for parameter, original in zip(parameters, originals, strict=True):
            assert (parameter.dtype, parameter.shape) == (original.dtype, original.shape)
            assert parameter.tobytes() == original.tobytes()


def refusal(path: Path) -> str:
    """Return the text of the ModelError that both readers raise, which always names the file."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    with pytest.raises(ModelError):
        model_card(path)
    text = str(caught.value)
    assert str(path) in text
    return text.replace(str(path), "")


# What is written


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("layers", [[6, 4, 3], [6, 5, 4, 3], [784, 7, 5, 4, 10], [6, 3]])
def test_round_trip_is_bit_identical(
    tmp_path: Path, layers: list[int], activation: str, dtype: Any
) -> None:
    network = make_network(layers, activation, dtype)
    save_model(tmp_path / "model.npz", network)
    assert_identical(load_model(str(tmp_path / "model.npz")), network)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_half_precision_is_read_as_single(tmp_path: Path, dtype: Any) -> None:
    network = make_network([784, 30, 10], dtype=dtype)
    save_model(tmp_path / "single.npz", make_network([784, 30, 10]))
    save_model(tmp_path / "half.npz", network, half_precision=True)
    came = load_model(tmp_path / "half.npz")
    for p, original in zip([*came.w, *came.b], [*network.w, *network.b], strict=True):
        assert p.dtype == np.float32
        # IEEE 754 binary16 has 11 significant bits, and numbers below 2^-14 in steps of 2^-24.
        np.testing.assert_allclose(p, original, rtol=2**-11, atol=2**-25)
    sizes = [(tmp_path / f"{name}.npz").stat().st_size for name in ("half", "single")]
    assert sizes[0] < 0.55 * sizes[1]


@pytest.mark.parametrize("half", ["yes", 1, None])
def test_half_precision_is_a_matter_of_true_or_false(tmp_path: Path, half: object) -> None:
    with pytest.raises(TypeError, match=f"half_precision must be True or False, not {half!r}"):
        save_model(tmp_path / "model.npz", NETWORK, half_precision=half)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_fact_may_have_the_name_of_an_option(tmp_path: Path) -> None:
    save_model(tmp_path / "model.npz", NETWORK, {"half_precision": "of the digits"})
    assert model_card(tmp_path / "model.npz") == CARD | {"half_precision": "of the digits"}


def test_half_precision_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    w = [np.full((3, 2), 65536, np.float32)]  # 2^16, above all of IEEE 754 binary16
    network = Network(w, [np.zeros(2, np.float32)], "relu")
    save_model(tmp_path / "single.npz", network)
    with pytest.raises(ModelError, match="finite"):
        save_model(tmp_path / "half.npz", network, half_precision=True)
    assert [path.name for path in tmp_path.iterdir()] == ["single.npz"]


def test_card_says_what_the_network_is_and_how_it_came_about(tmp_path: Path) -> None:
    facts = {
        "seed": 0,
        "hyperparameters": {"learning_rate": 0.3, "batch_size": 1024, "patience": None},
        "test_accuracy": 0.97,
        "data_digest": "741c98",
        "author": "Zoë 数字",
        "finished": True,
    }
    save_model(str(tmp_path / "model.npz"), NETWORK, facts)
    assert model_card(tmp_path / "model.npz") == CARD | facts


def test_facts_may_be_numpy_values(tmp_path: Path) -> None:
    facts = {
        "loss": np.float32(1.5),
        "epochs": np.int64(3),
        "early": np.bool_(True),
        "losses": np.array([[1.5, 2.5]]),
        "nested": {"accuracy": [np.float64(0.25)]},
    }
    save_model(tmp_path / "model.npz", NETWORK, facts)
    card = model_card(tmp_path / "model.npz")
    assert card == CARD | {
        "loss": 1.5,
        "epochs": 3,
        "early": True,
        "losses": [[1.5, 2.5]],
        "nested": {"accuracy": [0.25]},
    }
    assert type(card["epochs"]) is int


def test_file_can_be_read_without_the_package_and_without_pickle(tmp_path: Path) -> None:
    save_model(tmp_path / "model.npz", NETWORK, {"seed": 7})
    with np.load(tmp_path / "model.npz", allow_pickle=False) as archive:
        came = dict(archive)
    assert json.loads(came.pop("card").item()) == CARD | {"seed": 7}
    assert sorted(came) == sorted(ARRAYS)
    for name, array in came.items():
        assert np.array_equal(array, ARRAYS[name])


@pytest.mark.parametrize("fact", [{1, 2}, Path("x"), object(), 1j, b"bytes"])
def test_facts_that_json_cannot_hold(tmp_path: Path, fact: object) -> None:
    with pytest.raises(TypeError, match=f"JSON.*{re.escape(repr(fact))}"):
        save_model(tmp_path / "model.npz", NETWORK, {"fact": fact})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fact", [float("nan"), np.float32("inf")])
def test_card_is_json_that_every_reader_takes(tmp_path: Path, fact: float) -> None:
    """JSON has no NaN and no infinity: RFC 8259, section 6."""
    with pytest.raises((TypeError, ValueError), match="JSON"):
        save_model(tmp_path / "model.npz", NETWORK, {"loss": fact})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", CARD)
def test_facts_cannot_contradict_the_network(tmp_path: Path, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        save_model(tmp_path / "model.npz", NETWORK, {name: 1})
    assert not list(tmp_path.iterdir())


def test_folders_are_made_and_the_name_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "model.of.mine"
    save_model(path, NETWORK)
    assert [file.name for file in path.parent.iterdir()] == ["model.of.mine"]


def test_saving_again_replaces(tmp_path: Path) -> None:
    save_model(tmp_path / "model.npz", make_network([6, 5, 4, 3]))
    save_model(tmp_path / "model.npz", NETWORK)
    assert_identical(load_model(tmp_path / "model.npz"), NETWORK)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()])
def test_failure_in_the_middle_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    save_model(tmp_path / "old.npz", NETWORK)
    before = (tmp_path / "old.npz").read_bytes()

    def broken(file: Any, *args: Any, **options: Any) -> None:  # noqa: ARG001
        file.write(before[:100])
        raise error

    monkeypatch.setattr(np.lib.format, "write_array", broken)
    for name in ("old.npz", "new.npz"):
        with pytest.raises(type(error)):
            save_model(tmp_path / name, make_network([6, 3]))
    assert [file.name for file in tmp_path.iterdir()] == ["old.npz"]
    assert (tmp_path / "old.npz").read_bytes() == before


def test_the_new_file_replaces_the_old_one_in_one_step(tmp_path: Path) -> None:
    """Another name of the old file still has all of it: nothing was written into it."""
    save_model(tmp_path / "model.npz", NETWORK)
    (tmp_path / "link.npz").hardlink_to(tmp_path / "model.npz")
    save_model(tmp_path / "model.npz", make_network([6, 3]))
    assert_identical(load_model(tmp_path / "link.npz"), NETWORK)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (NETWORK._replace(w=[NETWORK.w[0], NETWORK.w[1] * np.nan]), "NaN"),
        (NETWORK._replace(b=[np.full(4, np.inf, "f4"), NETWORK.b[1]]), "infinite"),
        (NETWORK._replace(activation="tanh"), "'tanh'"),
        (NETWORK._replace(w=[NETWORK.w[0], np.zeros((5, 3), "f4")]), "(5, 3)"),
        (NETWORK._replace(b=NETWORK.b[:1]), "not 2 and 1"),
        (NETWORK._replace(b=[NETWORK.b[0].astype(int), NETWORK.b[1]]), "int64"),
        (Network([], [], "relu"), ""),
    ],
    ids=["nan", "infinite", "activation", "chain", "bias", "integer", "empty"],
)
def test_networks_that_could_not_be_loaded_are_not_saved(
    tmp_path: Path, network: Network, said: str
) -> None:
    save_model(tmp_path / "model.npz", NETWORK)
    with pytest.raises(ModelError) as caught:
        save_model(tmp_path / "model.npz", network)
    assert said in str(caught.value)
    assert str(tmp_path / "model.npz") in str(caught.value)
    assert_identical(load_model(tmp_path / "model.npz"), NETWORK)


@pytest.mark.parametrize("size", [1e38, 3e30])
def test_a_network_whose_scores_overflow_is_neither_saved_nor_loaded(
    tmp_path: Path, size: float
) -> None:
    """Its parameters are finite, and its answers would be NaN."""
    path = tmp_path / "model.npz"
    w = [(w * np.float32(size)).clip(-3e38, 3e38) for w in NETWORK.w]
    useless = NETWORK._replace(w=w, activation="relu")
    with pytest.raises(ModelError, match="scores that are finite"):
        save_model(path, useless)
    path.write_bytes(archive(CARD | {"activation": "relu"}, w0=w[0], w1=w[1]))
    assert "scores that are finite" in refusal(path)


def test_what_a_file_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of the largest size is written and read, and a byte more is refused by both."""
    path, size = tmp_path / "model.npz", sum(p.nbytes for p in [*NETWORK.w, *NETWORK.b])
    assert storage._MOST_BYTES == 4 * 33_554_432  # 33 million numbers in float32
    monkeypatch.setattr(storage, "_MOST_BYTES", size)
    save_model(path, NETWORK)
    assert_identical(load_model(path), NETWORK)
    larger = make_network([6, 4, 3], dtype="f8")
    monkeypatch.setattr(storage, "_MOST_BYTES", 2 * size - 1)
    with pytest.raises(ModelError, match=f"may hold {2 * size - 1:,} bytes .* not {2 * size:,}"):
        save_model(path, larger)
    monkeypatch.setattr(storage, "_MOST_CARD_BYTES", 0)
    assert "more than" in refusal(path)


def test_facts_that_are_too_long(tmp_path: Path) -> None:
    """A card of a million characters is written and read."""
    path = tmp_path / "model.npz"
    save_model(path, NETWORK)
    with np.load(path) as arrays:
        left = 2**20 - len(str(arrays["card"]))
    save_model(path, NETWORK, {"note": "n" * (left - 14)})
    with np.load(path) as arrays:
        assert len(str(arrays["card"])) == 2**20
    assert len(model_card(path)["note"]) == left - 14
    with pytest.raises(ValueError, match=r"1,048,576 characters of JSON, not 1,048,577"):
        save_model(path, NETWORK, {"note": "n" * (left - 13)})


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(archive({"checkpoint": 1}))
    assert "is the checkpoint of a training run" in refusal(tmp_path / "model.npz")


# What is refused


def archive(card: Any = CARD, **changes: Any) -> bytes:
    """Write a model, with members replaced: arrays, bytes as they are, or None to leave out."""
    if isinstance(card, dict):
        card = json.dumps(card)
    if isinstance(card, str):
        card = np.array(card)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for name, value in ({"card": card} | ARRAYS | changes).items():
            if value is not None:
                members.writestr(f"{name}.npy", value if isinstance(value, bytes) else npy(value))
    return file.getvalue()


def test_a_model_made_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(archive())
    assert_identical(load_model(tmp_path / "model.npz"), NETWORK)


def test_missing_file(tmp_path: Path) -> None:
    assert "there is none" in refusal(tmp_path / "model.npz")


def test_folder_as_path(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(tmp_path)


HUGE_W0 = npy(NETWORK.w[0]).replace(b"(6, 4), }" + b" " * 15, b"(6000000000000000, 4), }")
NO_ARRAYS = dict.fromkeys(ARRAYS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "not an npz archive", id="empty"),
        pytest.param(
            b"These are not the weights that you look for.", "not an npz archive", id="text"
        ),
        pytest.param(archive()[:-50], "not a whole one", id="cut-off"),
        pytest.param(npy(NETWORK.w[0]), "not an npz archive", id="npy"),
        pytest.param(
            archive().replace(npy(NETWORK.w[1])[-30:], bytes(30)), "a damaged one", id="damaged"
        ),
        pytest.param(
            archive(w0=npy(NETWORK.w[0]).replace(b"}", b" ")), "a damaged one", id="damaged-header"
        ),
        pytest.param(archive(w0=HUGE_W0), "longer or shorter", id="huge-header"),
        pytest.param(archive(w0=b"hello"), "", id="no-array"),
        pytest.param(archive(b0=np.array([None] * 4)), "it has a pickle", id="objects"),
        pytest.param(archive(card=None, **NO_ARRAYS), "another program", id="foreign"),
        pytest.param(archive(card=b"hello"), "a damaged one", id="foreign-arrays"),
        pytest.param(archive(CARD | {"format": 2}), "format 2", id="newer"),
        pytest.param(archive({"format": 2, "shape": [6, 4, 3]}), "format 2", id="newer-card"),
        pytest.param(archive(w1=np.zeros((5, 3), "f4")), "(5, 3)", id="not-chained"),
        pytest.param(
            archive(CARD | {"neuron_layers": [6, 5, 3]}), "[6, 5, 3]", id="not-the-card's"
        ),
        pytest.param(archive(b0=np.zeros(3, "f4")), "(3,)", id="bias"),
        pytest.param(archive(b0=NETWORK.b[0][:, None]), "(4, 1)", id="bias-column"),
        pytest.param(archive(w1=NETWORK.w[1] * np.nan), "NaN", id="nan"),
        pytest.param(archive(b1=np.full(3, -np.inf, "f4")), "infinite", id="infinite"),
        pytest.param(archive(b0=np.zeros(4, "i8")), "int64", id="integers"),
        pytest.param(archive(w0=np.array(1.0)), "()", id="scalar"),
        pytest.param(archive(b1=None), "holds ['w0', 'b0', 'w1'];", id="missing-bias"),
        pytest.param(archive(b1=None, w1=None), "[6, 4, 3]", id="missing-layer"),
        pytest.param(archive(w2=np.zeros((3, 3), "f4")), "w2", id="extra"),
        pytest.param(archive(w1=None, x1=NETWORK.w[1]), "x1", id="another-name"),
        pytest.param(archive(CARD | {"activation": "tanh"}), "'tanh'", id="activation"),
    ],
)
def test_broken_foreign_and_newer_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "model.npz").write_bytes(content)
    assert said in refusal(tmp_path / "model.npz")


@pytest.mark.parametrize(
    "card",
    [
        "",
        "{",
        "hello",
        "null",
        "5",
        "[]",
        '["format", "neuron_layers", "activation"]',
        '"format neuron_layers activation"',
        "{}",
        "[" * 100_000,
        *(
            json.dumps({key: value for key, value in CARD.items() if key != missing})
            for missing in ("format", "neuron_layers", "activation")
        ),
        *(
            json.dumps(CARD | {"neuron_layers": layers})
            for layers in (
                *(None, 5, "643", "abc", {"6": 4}, [], [6], [6, 4], [6, 4, 3, 2], [-6, 4, 3]),
                *([6, "4", 3], [None, 4, 3], [[6, 4], [4, 3]], [6, 4, 3.5], [6, -4, 3]),
            )
        ),
        *(
            json.dumps(CARD | {"format": version})
            for version in ("1", None, [1], {}, 0, -1, 1.5, float("nan"), 10**30)
        ),
        *(
            json.dumps(CARD | {"activation": activation})
            for activation in (None, 1, ["sigmoid"], {}, "", "Sigmoid")
        ),
    ],
)
def test_cards_of_odd_shapes(tmp_path: Path, card: str) -> None:
    (tmp_path / "model.npz").write_bytes(archive(card))
    refusal(tmp_path / "model.npz")


@pytest.mark.parametrize("layers", [[], [6]])
def test_a_model_without_layers_is_none(tmp_path: Path, layers: list[int]) -> None:
    content = archive(CARD | {"neuron_layers": layers}, **NO_ARRAYS)
    (tmp_path / "model.npz").write_bytes(content)
    refusal(tmp_path / "model.npz")


def test_a_version_that_is_text_is_not_called_the_same(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(archive(CARD | {"format": "1"}))
    assert "format '1'" in refusal(tmp_path / "model.npz")


class Bomb:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    marker, path = tmp_path / "exploded", tmp_path / "model.npz"
    bomb = Bomb(marker)
    file = io.BytesIO()
    np.save(file, np.array([bomb]), allow_pickle=True)
    for content in (pickle.dumps(bomb), file.getvalue(), archive(w0=file.getvalue())):
        path.write_bytes(content)
        refusal(path)
        assert not marker.exists()
    pickle.loads(pickle.dumps(bomb))
    assert marker.exists()  # so it would have gone off


@pytest.mark.long
def test_damage_anywhere_is_noticed(tmp_path: Path) -> None:
    """What loads from a damaged file is the network that was saved; all else is a ModelError.

    That no file stays open is checked too: pytest turns the ResourceWarning into an error.
    """
    path, rng = tmp_path / "model.npz", np.random.default_rng(0)
    save_model(path, NETWORK, {"seed": 0})
    good, loaded = path.read_bytes(), 0
    for trial in range(600):
        content = bytearray(good)
        if trial % 3 == 0:
            del content[rng.integers(len(good)) :]
        else:
            for place in rng.integers(len(good), size=rng.integers(1, 4 if trial % 3 == 1 else 40)):
                content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            network = load_model(path)
        except ModelError:
            pass
        else:
            loaded += 1
            assert_identical(network, NETWORK)
    assert loaded < 60
