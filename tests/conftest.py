import os
import sys

import matplotlib
import pytest

os.environ["SCIPY_ARRAY_API"] = "1"  # or scikit-learn's checks of estimators would skip one

from mnist_nn import MNIST, load_mnist

# nbformat imports jsonschema, and that a grammar of addresses, if there is one: five seconds, for a
# check that notebooks do not need.
sys.modules["rfc3987_syntax"] = None

# Not by the variable MPLBACKEND: the kernels of the notebook tests would inherit it, and show no
# figure.
matplotlib.use("agg")


@pytest.fixture(scope="session")
def mnist() -> MNIST:
    """The real digits, read once; who writes into them gets an error."""
    digits = load_mnist()
    for array in digits:
        array.flags.writeable = False
    return digits


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are quick: all that nothing else is said of."""
    for item in items:
        if not any(
            map(item.get_closest_marker, ("browser", "long", "notebook", "slow", "thorough"))
        ):
            item.add_marker("quick")
