import matplotlib
import pytest

from mnist_nn import MNIST, load_mnist

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
