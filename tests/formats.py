"""The file formats of MNIST, written for the tests without the package."""

import io
from typing import Any

import numpy as np

CSV_HEADER = ",".join(["label", *(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))]) + "\n"


def idx(values: Any) -> bytes:
    values = np.asarray(values)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return header + values.astype(np.uint8).tobytes()


def csv(values: Any, header: str = "") -> str:
    values = np.asarray(values)
    if values.dtype != np.uint8:
        return header + "".join(",".join(map(str, row)) + "\n" for row in values.tolist())
    # All of MNIST would take half a minute that way.
    parts = [header.encode()]
    for start in range(0, len(values), 10_000):
        some = values[start : start + 10_000]
        text = np.array([f"{value}," for value in range(256)], "S4")[some]
        text[:, -1] = np.array([f"{value}\n" for value in range(256)], "S4")[some[:, -1]]
        parts.append(text.tobytes().replace(b"\0", b""))
    return b"".join(parts).decode()


def npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()
