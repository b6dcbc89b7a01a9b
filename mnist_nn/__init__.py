"""A neural network in NumPy alone that reads handwritten digits.

>>> from mnist_nn import predict_index
>>> predict_index(42)
"""

from importlib import import_module
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
    from mnist_nn.estimator import *
    from mnist_nn.explorer import *

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

# They take longer to load than all the rest, and few people need them: for each name its
# module, the module that this needs, and the extra that installs that.
_EXTRAS = {
    "DigitCanvas": ("canvas", "anywidget", "widgets"),
    "MNISTClassifier": ("estimator", "sklearn", "sklearn"),
    "NetworkExplorer": ("explorer", "anywidget", "widgets"),
}


def __getattr__(name: str) -> Any:
    if name not in _EXTRAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mnist_nn.checks import check_installed

    module, needed, extra = _EXTRAS[name]
    check_installed(needed, extra)
    return getattr(import_module(f"mnist_nn.{module}"), name)


def __dir__() -> list[str]:
    return [*globals(), *(name for name in _EXTRAS if find_spec(_EXTRAS[name][1]))]
