"""LiteRT.js, which runs .tflite files in browsers: fetched from npm once, checked, kept."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from awsrn_keras.errors import InputError
from awsrn_keras.files import cache_folder, replacing

VERSION = "2.5.3"
_NPM_SECONDS = 600  # for ten megabytes
# As the registry gives them: `npm view @litertjs/core@2.5.3 dist.integrity`.
_SHA512 = {
    "core": "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkv"
    "iYGr9OFDL1kCnN4nzWoyJQ==",
    "wasm-utils": "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2k"
    "T39A9OYBVdFawteZ/sI1kQ==",
}
_LICENSE = Path(__file__).parents[2] / "LICENSE"
_NOTICE = f"""LiteRT.js {VERSION}, https://www.npmjs.com/package/@litertjs/core
Copyright 2025 Google LLC. Licensed under the Apache License, Version 2.0: see LICENSE.txt.

The files in wasm/ are those of the package @litertjs/core; index.js is its dist/index.js, in
which the name "@litertjs/wasm-utils" was changed to "./wasm-utils.js"; that file is
dist/index.js of the package @litertjs/wasm-utils.
"""


def put_litert_js(folder: Path) -> None:
    """Write index.js, wasm-utils.js, wasm/ and the licence into a new folder.

    Raises:
        InputError: The packages are not cached and npm cannot fetch them, or what it
            fetched is not what was released.
    """
    folder.mkdir()
    with tempfile.TemporaryDirectory() as place:
        for name in _SHA512:
            with tarfile.open(_package(name)) as archive:
                archive.extractall(Path(place) / name, filter="data")
        core, wasm_utils = (Path(place) / name / "package" for name in _SHA512)
        shutil.copytree(core / "wasm", folder / "wasm", copy_function=shutil.copyfile)
        script = (core / "dist/index.js").read_text(encoding="utf-8")
        # Workers know no import maps, so the name cannot stay.
        script = script.replace('"@litertjs/wasm-utils"', '"./wasm-utils.js"')
        (folder / "index.js").write_text(script, encoding="utf-8")
        shutil.copyfile(wasm_utils / "dist/index.js", folder / "wasm-utils.js")
    shutil.copyfile(_LICENSE, folder / "LICENSE.txt")
    (folder / "NOTICE.txt").write_text(_NOTICE)


def _package(name: str) -> Path:
    """The package's archive, from the cache."""
    path = cache_folder() / f"litertjs-{name}-{VERSION}.tgz"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as folder:
            fetched = _fetch(name, Path(folder))
            _check(fetched)
            with replacing(path) as temporary:
                shutil.copyfile(fetched, temporary)
    _check(path)
    return path


def _fetch(name: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("npm is not installed: the page needs it once, to fetch LiteRT.js.")
    package = f"@litertjs/{name}@{VERSION}"
    command = [npm, "pack", "--silent", package]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_NPM_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"npm could not fetch {package} in {_NPM_SECONDS} s.") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"npm could not fetch {package}: {reason}")
    (path,) = folder.glob("*.tgz")
    return path


def _check(path: Path) -> None:
    name = path.name.removeprefix("litertjs-").removesuffix(f"-{VERSION}.tgz")
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != _SHA512[name]:
        raise InputError(f"{path}: not the released package (sha512 {found[:16]}...): remove it.")
