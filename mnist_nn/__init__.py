"""A neural network in NumPy alone that reads handwritten digits.

>>> from mnist_nn import predict_index
>>> predict_index(42)
"""

from mnist_nn.augmentation import deform, random_warps, warp
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
    Evaluation,
    confident_mistakes,
    confusion_matrix,
    get_accuracy,
    make_predictions,
    precision_and_recall,
    predict,
)
from mnist_nn.inference import Prediction, predict_image, predict_index
from mnist_nn.network import (
    Gradients,
    Network,
    backward_prop,
    cross_entropy,
    forward_prop,
    init_params,
    one_hot,
    relu,
    sigmoid,
    softmax,
)
from mnist_nn.optimizers import constant, cosine
from mnist_nn.plots import (
    plot_comparison,
    plot_confusion,
    plot_digits,
    plot_history,
    plot_prediction,
    plot_warp,
    plot_weights,
)
from mnist_nn.preparation import ImageError, prepare_digit
from mnist_nn.storage import MODELS_DIR, ModelError, load_model, model_card, save_model
from mnist_nn.training import TrainingDiverged, gradient_descent, train, update

__all__ = [
    "DATA_DIR",
    "DIGESTS",
    "MNIST",
    "MODELS_DIR",
    "DataError",
    "DownloadError",
    "Evaluation",
    "Gradients",
    "ImageError",
    "ModelError",
    "Network",
    "Prediction",
    "TrainingDiverged",
    "backward_prop",
    "batches",
    "confident_mistakes",
    "confusion_matrix",
    "constant",
    "cosine",
    "cross_entropy",
    "deform",
    "digest",
    "download_mnist",
    "forward_prop",
    "get_accuracy",
    "gradient_descent",
    "init_params",
    "load_mnist",
    "load_model",
    "make_predictions",
    "model_card",
    "one_hot",
    "plot_comparison",
    "plot_confusion",
    "plot_digits",
    "plot_history",
    "plot_prediction",
    "plot_warp",
    "plot_weights",
    "precision_and_recall",
    "predict",
    "predict_image",
    "predict_index",
    "prepare_digit",
    "random_warps",
    "relu",
    "save_model",
    "sigmoid",
    "softmax",
    "split_validation",
    "train",
    "update",
    "warp",
]
