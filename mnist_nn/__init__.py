"""A neural network in NumPy alone that reads handwritten digits.

>>> from mnist_nn import predict_index
>>> predict_index(42)
"""

from typing import TYPE_CHECKING, Any

from mnist_nn.augmentation import affine_warp, deform, random_warps, warp
from mnist_nn.data import (
    DATA_DIR,
    DIGESTS,
    MNIST,
    DataError,
    batches,
    digest,
    load_mnist,
    split_validation,
)
from mnist_nn.download import DownloadError, download_mnist
from mnist_nn.evaluation import (
    Calibration,
    Evaluation,
    calibration,
    confident_mistakes,
    confusion_matrix,
    get_accuracy,
    make_predictions,
    precision_and_recall,
    predict,
    predict_proba,
    principal_components,
)
from mnist_nn.inference import Prediction, predict_image, predict_index
from mnist_nn.network import (
    Gradients,
    Network,
    backward_prop,
    cross_entropy,
    forward_prop,
    init_params,
    input_gradient,
    one_hot,
    relu,
    sigmoid,
    softmax,
)
from mnist_nn.optimizers import SGD, Adam, constant, cosine, update
from mnist_nn.plots import (
    plot_activations,
    plot_comparison,
    plot_confusion,
    plot_digits,
    plot_history,
    plot_maps,
    plot_prediction,
    plot_reliability,
    plot_robustness,
    plot_saliency,
    plot_warp,
    plot_weights,
)
from mnist_nn.preparation import ImageError, prepare_digit
from mnist_nn.storage import (
    MODELS_DIR,
    NUMBER_RECOGNITION,
    RECORD,
    ModelError,
    load_model,
    model_card,
    save_model,
)
from mnist_nn.training import (
    TrainingDiverged,
    TrainingInterrupted,
    TrainingState,
    gradient_descent,
    train,
)

if TYPE_CHECKING:
    from mnist_nn.canvas import DigitCanvas


def __getattr__(name: str) -> Any:
    # Widgets take longer to load than all the rest, and few people need one.
    if name == "DigitCanvas":
        from mnist_nn.canvas import DigitCanvas

        return DigitCanvas
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
