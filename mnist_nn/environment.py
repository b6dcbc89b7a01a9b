"""What a result may depend on besides the code: versions, processor, threads."""

import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mnist_nn.compute import blas
from mnist_nn.files import IS_INSTALLED


@cache
def version() -> str:
    """Return the version of this package."""
    try:
        return metadata.version("mnist-nn")
    except metadata.PackageNotFoundError:
        return "unknown"


def environment() -> dict[str, Any]:
    """Return what may change the last bits of a result, by name.

    BLAS chooses a kernel to suit the processor, and NumPy the functions that use its extensions.
    """
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})  # none in a browser
    return {
        "mnist_nn": version(),
        "commit": _commit(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": [
            f"{library.internal_api} {library.version} {getattr(library, 'architecture', '')}"
            for library in blas()
        ],
        "threads": [library.num_threads for library in blas()],
        "cores": os.cpu_count(),
        "cpu_features": [*extensions.get("baseline", []), *extensions.get("found", [])],
        "system": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
    }


@cache
def _commit() -> str | None:
    """Name the commit of the code in a checkout; an installed package has none."""
    folder = Path(__file__).resolve().parent.parent
    if not IS_INSTALLED and (folder / ".git").exists():
        with suppress(OSError, subprocess.SubprocessError):
            name = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
            answer = subprocess.run(name, cwd=folder, capture_output=True, text=True, timeout=10)
            return answer.stdout.strip() or None
    return None
