"""A neural network in NumPy alone that reads handwritten digits.

>>> from mnist_nn import predict_index
>>> predict_index(42)
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mnist_nn import (
    augmentation,
    checkpoint,
    data,
    download,
    evaluation,
    inference,
    network,
    optimizers,
    plots,
    preparation,
    reproduction,
    storage,
    training,
)

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

__all__ = [
    *augmentation.__all__,
    *checkpoint.__all__,
    *data.__all__,
    *download.__all__,
    *evaluation.__all__,
    *inference.__all__,
    *network.__all__,
    *optimizers.__all__,
    *plots.__all__,
    *preparation.__all__,
    *reproduction.__all__,
    *storage.__all__,
    *training.__all__,
]


def __getattr__(name: str) -> Any:
    # Widgets take longer to load than all the rest, and few people need one.
    if name == "DigitCanvas":
        from mnist_nn.checks import check_installed

        check_installed("anywidget", "widgets")
        from mnist_nn.canvas import DigitCanvas

        return DigitCanvas
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *(["DigitCanvas"] if find_spec("anywidget") else [])]
