"""A neural network in NumPy alone that reads handwritten digits.

>>> from mnist_nn import predict_index
>>> predict_index(42)
"""

from typing import TYPE_CHECKING, Any

# Each module lists its public names in __all__.
from mnist_nn.augmentation import *
from mnist_nn.checkpoint import *
from mnist_nn.data import *
from mnist_nn.download import *
from mnist_nn.evaluation import *
from mnist_nn.inference import *
from mnist_nn.network import *
from mnist_nn.optimizers import *
from mnist_nn.plots import *
from mnist_nn.preparation import *
from mnist_nn.reproduction import *
from mnist_nn.storage import *
from mnist_nn.training import *

if TYPE_CHECKING:
    from mnist_nn.canvas import *


def __getattr__(name: str) -> Any:
    # Widgets take longer to load than all the rest, and few people need one.
    if name == "DigitCanvas":
        from mnist_nn.checks import check_installed

        check_installed("anywidget", "widgets")
        from mnist_nn.canvas import DigitCanvas

        return DigitCanvas
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "DigitCanvas"]
