"""What pip installs: the wheel and the sdist, each in an environment of its own."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
UV = os.environ.get("UV") or shutil.which("uv") or "uv"  # `uv run` says where it is

# Nothing is written into the package, and nothing is asked over a network.
WATCHED = """
import sys
from pathlib import Path
import mnist_nn
package = Path(mnist_nn.__file__).parent

def watch(event, args):
    if event == "open" and "r" not in str(args[1]) and package in Path(str(args[0])).parents:
        raise AssertionError(f"written into the package: {args}")
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError(f"{event}: {args}")

sys.addaudithook(watch)
"""

USED = """
from mnist_nn import *
print(predict_index(42))
data = load_mnist()
network = init_params([784, 10], rng=0)
run = dict(epochs=2, batch_size=1024, learning_rate=0.3, rng=0, progress=False)
network, history = train(network, data.train_X, data.train_Y, **run)
save_model(MODELS_DIR / "mine.npz", network)
print(load_model(MODELS_DIR / "mine.npz"))
print(predict(data.test_X, data.test_Y, *network).accuracy > 0.85)
print(predict_image(EXAMPLE_PHOTO, load_model(RECORD)).digit)
plot_history(history).savefig("history.png")
print(DATA_DIR.resolve() == Path.cwd() / "data", download_mnist())
"""


def uv(*arguments: str | Path, cwd: Path, env: Mapping[str, str] = os.environ) -> str:
    command = [UV, *arguments]
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "check": False}
    done = subprocess.run(command, cwd=cwd, env=env, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that was built of it."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--out-dir", folder, cwd=REPOSITORY)
    return folder


def run_installed(package: Path | str, code: str, folder: Path) -> str:
    """Run code in a new environment and an empty folder, where HOME cannot be written."""
    home = folder / "home"
    home.touch()  # a file, in which not even root can make a folder
    (folder / "empty").mkdir()
    cache = uv("cache", "dir", cwd=folder).strip()
    env = os.environ | {"HOME": str(home), "UV_CACHE_DIR": cache}
    env.pop("VIRTUAL_ENV", None)
    environment = "--isolated", "--no-project", "--python", sys.executable, "--with", package
    return uv(
        "run", *environment, "python", "-I", "-X", "utf8", "-c", code, cwd=folder / "empty", env=env
    )


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    sources = [file.read_text(encoding="utf-8") for file in REPOSITORY.glob("mnist_nn/*.py")]
    sources.append((REPOSITORY / "notebooks" / "run.py").read_text(encoding="utf-8"))
    for path in REPOSITORY.glob("notebooks/*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources += [cell.source for cell in cells if cell.cell_type == "code"]
    imported = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    beside_notebooks = {path.stem for path in REPOSITORY.glob("notebooks/*.py")}
    imported -= {*sys.stdlib_module_names, *beside_notebooks, "mnist_nn"}
    distributions = metadata.packages_distributions()
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lines += groups["notebooks"]
    declared = {re.split(r"[\[>=]", line)[0] for line in lines} - {"mnist-nn"}
    # They are commands, and what one of them needs.
    assert declared - {"jupyter", "kaggle", "six"} == {
        distributions[name][0].lower() for name in imported
    }


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_an_installed_package_needs_no_checkout(built: Path, tmp_path: Path, pattern: str) -> None:
    (package,) = built.glob(pattern)
    answer, loaded, learned, digit, downloaded = run_installed(
        package, WATCHED + USED, tmp_path
    ).splitlines()
    assert answer.startswith("Prediction(digit=4, label=4, ")
    assert loaded == "Network(784 → 10, relu, 7,850 parameters)"
    assert learned == "True"
    assert digit == "5"
    assert downloaded == "True disk"
    written = {path.name for path in (tmp_path / "empty").rglob("*")}
    assert written == {"models", "mine.npz", "history.png"}


@pytest.mark.slow
def test_the_sdist_builds_the_wheel_of_the_checkout(built: Path, tmp_path: Path) -> None:
    uv("build", "--wheel", "--out-dir", tmp_path, cwd=REPOSITORY)
    (wheel,), (ours,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    assert wheel.name == ours.name
    assert wheel.read_bytes() == ours.read_bytes()


@pytest.mark.slow
def test_without_an_extra_a_function_says_which_it_needs(built: Path, tmp_path: Path) -> None:
    code = """
import mnist_nn
for ask in (
    lambda: mnist_nn.DigitCanvas,
    lambda: mnist_nn.MNISTClassifier,
    lambda: mnist_nn.download_mnist(source="kaggle"),
):
    try:
        ask()
    except (ImportError, OSError) as error:
        print(" ".join(str(error).split()))
"""
    (wheel,) = built.glob("*.whl")
    canvas, classifier, kaggle = run_installed(wheel, code, tmp_path).splitlines()
    assert 'pip install "mnist-nn[widgets]"' in canvas
    assert 'pip install "mnist-nn[sklearn]"' in classifier
    assert 'pip install "mnist-nn[kaggle]"' in kaggle


@pytest.mark.slow
def test_the_extras_bring_what_they_are_for(built: Path, tmp_path: Path) -> None:
    code = """
import dask.distributed, dotenv, kagglesdk, six
import mnist_nn
print(mnist_nn.DigitCanvas.__name__, mnist_nn.MNISTClassifier.__name__)
"""
    (wheel,) = built.glob("*.whl")
    package = f"mnist-nn[dask,kaggle,widgets] @ {wheel.as_uri()}"
    assert run_installed(package, code, tmp_path) == "DigitCanvas MNISTClassifier\n"
