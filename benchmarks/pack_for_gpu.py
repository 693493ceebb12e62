"""Pack what a GPU machine without network lacks: wheels for its Python, and data, in one folder under 60 MB.

    python -m benchmarks.pack_for_gpu .gpu --data_dir DIR --python 3.12

There: python -m pip install --no-index --no-deps --target site .gpu/wheels/*.whl, and
PYTHONPATH=site python -m benchmarks.gpu_day --data_dir .gpu
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.shared import ROOT
from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import check_data_dir

# What an image with torch for CUDA brings along, in versions of its own.
ALREADY_THERE = {"torch", "numpy", "matplotlib", "safetensors", "tqdm", "pandas", "pyarrow", "filelock", "jinja2"}
# What our pins need besides, and such an image lacks.
NEEDED_BY_PINS = (
    "absl-py alembic click colorlog dill fsspec greenlet hf-xet httpcore2 joblib mako multiprocess nltk six "
    "sqlalchemy truststore"
).split()
SOURCE_ALONE = ("rouge-score",)  # of which no wheel is published; it is Python alone
GLIBC = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux1")
MOST_BYTES = 60_000_000


@dataclass
class PackOptions:
    data_dir: str | None = field(default=None, metadata={"help": "folder with local text files to take along"})
    python: str = field(default="3.12", metadata={"help": "version of the Python there"})


def main(argv: list[str] | None = None) -> None:
    words = {"folder": {"help": "folder to write, which git should ignore"}}
    options, named = parse_options(__doc__, PackOptions, argv=argv, words=words)
    check_data_dir(options.data_dir)
    folder = Path(named.folder)
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    download(folder / "wheels", options.python)
    for corpus in ("multi30k", "iwslt2017") if options.data_dir else ():
        shutil.copytree(Path(options.data_dir) / corpus, folder / corpus, dirs_exist_ok=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > MOST_BYTES:
        raise UserError(f"{folder} has {size:,} bytes, more than {MOST_BYTES:,}: take less data along.")
    print(f"packed: {folder}, {size / 1e6:.0f} MB")


def download(wheels: Path, python: str) -> None:
    """Fetch the pinned wheels, and what they need, for another Python."""
    pins = [line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = [pin for pin in pins if "==" in pin and pin.split("==")[0].lower() not in ALREADY_THERE]
    built = [pin for pin in pins if pin.split("==")[0] in SOURCE_ALONE]
    pins = [pin for pin in pins if pin not in built]
    platforms = [word for name in GLIBC for word in ("--platform", f"{name}_x86_64")]
    words = ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    pip = [sys.executable, "-m", "pip"]
    fetched = [*pip, "download", "-q", "-d", str(wheels), *words, *pins, *NEEDED_BY_PINS]
    made = [*pip, "wheel", "-q", "--no-deps", "-w", str(wheels), *built]
    if any(subprocess.run(command).returncode for command in (fetched, made)):
        raise UserError("pip could not fetch the wheels; its words are above.")


if __name__ == "__main__":
    run_command(main)
