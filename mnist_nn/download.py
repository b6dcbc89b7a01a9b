"""Download MNIST from Kaggle with your credentials, or from public mirrors without any."""

import codecs
import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnist_nn.checks import check_choice, check_flag, check_installed, check_path
from mnist_nn.data import DATA_DIR, DataError, load_mnist
from mnist_nn.files import RESTORE, replacing
from mnist_nn.progress import Progress

if TYPE_CHECKING:
    import requests

__all__ = [
    "DownloadError",
    "download_mnist",
]

DATASET = "oddrationale/mnist-in-csv"
"""The Kaggle dataset that `download_mnist` downloads: two CSV files in a zip archive."""

MIRRORS = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
]
"""The mirrors of the four original files that PyTorch and TensorFlow use."""

CSV_NAMES = ["mnist_train.csv", "mnist_test.csv"]

IDX_SHA256 = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The SHA-256 of each file on the mirrors, compressed (.gz)."""

# Approximate download sizes; the progress may end slightly above or below them.
_IDX_MEGABYTES, _CSV_MEGABYTES = 12, 16

_MOST_BYTES = 2**27  # of a file; the largest has 110 MB

_TIMEOUT_SECONDS = 30  # for a connection, and for the next bytes

_MAX_WAIT_SECONDS = 60  # the longest Retry-After that is worth waiting for


class DownloadError(OSError):
    """MNIST could not be downloaded; the message says why each source failed and what to do."""


def download_mnist(
    data_dir: Path | str | None = None,
    source: Literal["auto", "kaggle", "mirror"] = "auto",
    *,
    force: bool = False,
) -> str:
    """Make sure that MNIST is on disk, and download it if it is not.

    Files are downloaded to a temporary folder, checked there by their SHA-256, and only then moved
    into place. If anything goes wrong, the data folder is left as it was.

    Parameters
    ----------
    data_dir : path, optional
        The folder for the files. Default: `DATA_DIR`; in a package that is installed, the digits
        that come with it count too.
    source : {"auto", "kaggle", "mirror"}
        ``"kaggle"`` downloads the two CSV files with the kaggle client, which comes with
        ``pip install "mnist-nn[kaggle]"``. Credentials come from the environment, ``.env`` or
        the files of that client; if there are none, it tries without.
        ``"mirror"`` downloads the four IDX files from a public mirror. ``"auto"`` tries Kaggle
        first if there are credentials, and then the mirrors.
    force : bool
        Whether to download even if the files are already there and intact.

    Returns
    -------
    str
        The source of the digits: ``"disk"``, ``"kaggle"`` or the URL of a mirror.

    Raises
    ------
    DownloadError
        If every source failed.
    ValueError
        If ``source`` is not one of the three.
    """
    check_flag("force", force)
    check_choice("source", source, ("auto", "kaggle", "mirror"))
    if data_dir is not None:
        check_path("data_dir", data_dir)
    folder = DATA_DIR if data_dir is None else Path(data_dir)
    names = {"kaggle": CSV_NAMES, "mirror": [f"{name}.gz" for name in IDX_SHA256]}.get(source)
    if not force and (
        _is_intact(data_dir) if names is None else _is_intact(folder) and _is_intact(folder, names)
    ):
        return "disk"
    failures = []
    for name in {"kaggle": ["kaggle"], "mirror": MIRRORS}.get(source, ["kaggle", *MIRRORS]):
        try:
            if source == "auto" and name == "kaggle" and not _credentials():
                continue
            with tempfile.TemporaryDirectory(prefix="mnist_nn-") as temporary:
                if name == "kaggle":
                    _fetch_from_kaggle(Path(temporary))
                else:
                    _fetch_from_mirror(name, Path(temporary))
                load_mnist(temporary)
                _move_in(Path(temporary), folder)
        except Exception as error:
            failures.append(f"{name}: {_reason(error)}")
        else:
            return name
    raise DownloadError(
        "MNIST could not be downloaded; every source failed:\n  "
        + "\n  ".join(failures)
        + f"\nCheck the network, the folder {folder} and, for Kaggle, the credentials in .env "
        f"(see .env.example), or restore the files that come with the package by {RESTORE}."
    )


def _is_intact(folder: Path | str | None, names: Sequence[str] = ()) -> bool:
    """Return whether the folder contains MNIST, using only the named files if names are given."""
    try:
        if folder is None or not names:
            load_mnist(folder)
        else:
            with tempfile.TemporaryDirectory() as alone:
                for name in names:
                    shutil.copy(Path(folder, name), alone)
                load_mnist(alone)
    except (DataError, OSError):
        return False
    return True


def _move_in(temporary: Path, folder: Path) -> None:
    """Move all the new files into place, or none if one of them cannot be moved."""
    files, kept = sorted(temporary.iterdir()), temporary / "kept"
    kept.mkdir()
    with contextlib.ExitStack() as undo:
        for file in files:
            target, old = folder / file.name, kept / file.name
            if target.is_file():
                shutil.copy2(target, old)
            _copy(file, target)
            undo.callback(_copy, old, target) if old.exists() else undo.callback(target.unlink)
        undo.pop_all()
    if not _is_intact(folder):
        # Damaged IDX files would be read in preference to the new CSV files.
        for name in IDX_SHA256:
            for damaged in (folder / name, folder / f"{name}.gz"):
                if damaged.exists():
                    damaged.replace(damaged.with_name(f"{damaged.name}.damaged"))


def _copy(file: Path, target: Path) -> None:
    with file.open("rb") as source, replacing(target) as output:
        shutil.copyfileobj(source, output)


def _fetch_from_mirror(mirror: str, folder: Path) -> None:
    import requests

    # "identity" keeps requests from decompressing the files, which would change their SHA-256.
    headers = {"Accept-Encoding": "identity"}
    get = partial(requests.get, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS)
    done = 0
    with Progress(_IDX_MEGABYTES, "MB") as progress:
        for name, expected in IDX_SHA256.items():
            file = folder / f"{name}.gz"
            _save(partial(get, mirror + file.name), file, progress, done)
            actual = hashlib.sha256(file.read_bytes()).hexdigest()
            if actual != expected:
                raise DataError(f"the SHA-256 of {file.name} should be {expected} but is {actual}")
            done += file.stat().st_size


def _fetch_from_kaggle(folder: Path) -> None:
    check_installed("kagglesdk", "kaggle")
    archive = folder / "archive.zip"
    with Progress(_CSV_MEGABYTES, "MB") as progress:
        _save(_ask_kaggle, archive, progress)
    with zipfile.ZipFile(archive) as members:
        # Only these two names are extracted, so a "../" in another can do no harm.
        for name in CSV_NAMES:
            size = members.getinfo(name).file_size
            if size > _MOST_BYTES:
                raise DataError(f"{name} should have at most {_MOST_BYTES} bytes, but has {size}")
            members.extract(name, folder)
    archive.unlink()


def _ask_kaggle() -> "requests.Response":
    """Request the dataset with Kaggle's client, and return the response with its body unread."""
    # Not from the package kaggle, which is built on this one: when that is imported it logs in,
    # without a timeout, and if it cannot, it prints help and closes standard input.
    from kagglesdk import KaggleClient, KaggleCredentials
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    credentials = _credentials()
    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = DATASET.split("/")
    # "" and not None, or the client would look for credentials itself.
    with KaggleClient(api_token=credentials.get("token", "")) as client:
        session = client.http_client()._session
        # It sets no timeout, so a server that does not respond would block it forever.
        session.send = partial(session.send, timeout=_TIMEOUT_SECONDS)
        if "token" not in credentials:
            session.auth = None
        if "key" in credentials:
            session.auth = credentials["username"], credentials["key"]
        if "refresh_token" in credentials:
            login = KaggleCredentials.load(client)
            session.headers["Authorization"] = f"Bearer {login.get_access_token()}"
        response: requests.Response = client.datasets.dataset_api_client.download_dataset(request)
    return response


def _dotenv() -> dict[str, str]:
    """Return the variables in .env that the environment lacks.

    Those in the working folder go before those in the folders above it, and these before the
    repository's.
    """
    found: dict[str, str] = {}
    folders = [DATA_DIR.parent]
    with contextlib.suppress(FileNotFoundError):  # the working folder was deleted
        folders += [*reversed(Path.cwd().parents), Path.cwd()]
    for folder in folders:
        file = folder / ".env"
        if file.is_file():
            check_installed("dotenv", "kaggle")
            from dotenv import dotenv_values

            content = file.read_bytes()
            utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            # PowerShell may write either; and an error would quote the file.
            text = content.decode("utf-16" if utf16 else "utf-8-sig", "replace")
            values = dotenv_values(stream=io.StringIO(text)).items()
            found |= {name: value for name, value in values if value and not os.environ.get(name)}
    return found


def _credentials() -> dict[str, str]:
    """Return what is sent to Kaggle: a token, a username and key, a refresh token, or nothing.

    The places and their order are those of the kaggle client, which does not know .env.
    """
    environ = os.environ | _dotenv()
    given = environ.get("KAGGLE_API_TOKEN", "")
    token = (
        _read(environ.get("KAGGLE_API_V1_TOKEN", ""))  # in a notebook on Kaggle
        or _read(given, given)  # a token, or the name of a file that contains one
        or _read("~/.kaggle/access_token")
        or _read("~/.kaggle/access_token.txt")
    )
    if token:
        return {"token": token}
    config = Path(environ.get("XDG_CONFIG_HOME") or "~/.config", "kaggle")
    for folder in (environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle", "~/.kaggle", config):
        pair = _read_json(Path(folder, "kaggle.json"))
        username = environ.get("KAGGLE_USERNAME") or pair.get("username")
        key = environ.get("KAGGLE_KEY") or pair.get("key")
        if username and key:
            return {"username": username, "key": key}
    login = _read_json("~/.kaggle/credentials.json").get("refresh_token")
    return {"refresh_token": login} if login else {}


def _read(file: Path | str, otherwise: str = "") -> str:
    """Return the text of a file, or ``otherwise`` if it cannot be read."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no such file, no such home
        return Path(file).expanduser().read_text().strip()
    return otherwise


def _read_json(file: Path | str) -> dict[str, str]:
    """Return the fields of a file, or none if it is missing or damaged."""
    with contextlib.suppress(TypeError, ValueError):
        return dict(json.loads(_read(file)))
    return {}


def _save(
    ask: "Callable[[], requests.Response]", file: Path, progress: Progress, before: int = 0
) -> None:
    """Write the body of a response to a file, and show the progress of the whole download.

    Up to four responses are asked for, as long as the error may be temporary.
    """
    import requests
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    for pause in (1.0, 2.0, 4.0, math.inf):
        try:
            with ask() as response, file.open("wb") as output:
                response.raise_for_status()
                for chunk in response.iter_content(1 << 18):
                    output.write(chunk)
                    if output.tell() > _MOST_BYTES:
                        raise DataError(
                            f"a file should have at most {_MOST_BYTES} bytes, but has more"
                        )
                    progress.show({"MB": math.ceil((before + output.tell()) / 1e6)})
                return
        except requests.RequestException as error:
            wait = pause
            if error.response is not None:
                if error.response.status_code != 429 and error.response.status_code < 500:
                    raise
                with contextlib.suppress(InvalidHeader, OverflowError, ValueError):
                    asked = Retry().get_retry_after(error.response.raw)
                    wait = pause if asked is None else asked
            if max(pause, wait) > _MAX_WAIT_SECONDS:
                raise
            time.sleep(wait)


def _reason(error: Exception) -> str:
    """Describe an error in our own words, since the server's might quote the credentials."""
    import requests

    if isinstance(error, ImportError):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        meaning = {
            401: "the credentials were rejected, or are required but missing",
            403: "access is forbidden with these credentials",
            404: "no such file or dataset",
            429: "too many requests; wait a few minutes",
        }.get(response.status_code, "the server failed")
        return f"{meaning} (HTTP {response.status_code})"
    if isinstance(error, requests.RequestException):
        return f"the connection failed or was cut off ({type(error).__name__})"
    if isinstance(error, zipfile.BadZipFile | zlib.error | KeyError):
        return f"the download is not a zip archive with {' and '.join(CSV_NAMES)}"
    if isinstance(error, DataError):
        return f"the download is not MNIST: {error}"
    if isinstance(error, OSError):
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        return f"the files could not be written ({cause.strerror or type(error).__name__})"
    return f"the client failed ({type(error).__name__})"
