"""Install on Colab what it lacks: all requirements but torch and numpy, which are Colab's own.

python -m tools.colab
"""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.record.code import ROOT

# Colab's own, and since when they do: Transformers 5.23 asks for torch 2.6, and numpy changed its interface with 2.0.
KEPT = {"torch": (2, 6), "numpy": (2, 0)}


def main(argv: list[str] | None = None) -> None:
    parse_options(__doc__, argv=argv)
    check_python(sys.version_info[:2])
    kept = {name: kept_version(name, least) for name, least in KEPT.items()}
    # Named to pip as they are, so that whatever cannot live with them is refused and not silently replaced.
    wanted = [*pins(), *(f"{name}=={at}" for name, at in kept.items())]
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", *wanted])
    if done.returncode:
        raise UserError("pip could not install beside Colab's own torch and numpy; its reasons stand above.")
    print(f"ready: torch {kept['torch']} and numpy {kept['numpy']} are the machine's own.")


def check_python(found: tuple[int, int]) -> None:
    if found < (3, 11):
        raise UserError(f"Python {found[0]}.{found[1]} is too old: 3.11 or newer is needed.")


def kept_version(name: str, least: tuple[int, int]) -> str:
    """Return the version that is installed, if it is new enough."""
    needed = ".".join(map(str, least))
    try:
        found = version(name)
    except PackageNotFoundError:
        raise UserError(f"{name} is not installed: this command is for Colab; elsewhere, make setup.") from None
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < least:
        raise UserError(f"{name} {found} is too old: {needed} or newer is needed. pip install -U {name}")
    return found


def pins() -> list[str]:
    """Return the requirements without what is kept."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    return [line for line in lines if line.partition("==")[0] not in KEPT]


if __name__ == "__main__":
    run_command(main)
