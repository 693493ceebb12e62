"""Fetches the source of the installed Transformers, once, and runs its shared tests on the model.

Words on the command line go to pytest.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import transformers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NAME = f"transformers-{transformers.__version__}"
FOLDER = ROOT / "runs" / ".cache" / "library"


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)


def fetch() -> Path:
    """Return the folder of the library's source, as published beside its wheel."""
    source = FOLDER / NAME
    if not source.exists():
        pip("install", "-q", "-r", str(HERE / "requirements.txt"))
        # pip asks a source for its metadata: with the setuptools at hand, for its own build environment may fail.
        words = "download -q --no-deps --no-binary transformers --no-build-isolation -d"
        pip(*words.split(), str(FOLDER), NAME.replace("-", "=="))
        with tarfile.open(FOLDER / f"{NAME}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return source


if __name__ == "__main__":
    settings = {**os.environ, "TRANSFORMERS_SOURCE": str(fetch()), "HF_HUB_OFFLINE": "1"}
    words = ["-m", "pytest", str(HERE), "-m", "not gpu", *sys.argv[1:]]
    sys.exit(subprocess.run([sys.executable, *words], cwd=ROOT, env=settings).returncode)
