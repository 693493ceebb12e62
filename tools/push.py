"""Share an entry: on the Hub with a model card, in a club's board, or as a zip to hand over in person.

    python -m tools.push runs/mine --hub_model_id you/name
    python -m tools.push runs/mine --hub_private_repo
    python -m tools.push runs/mine --board club/entries
    python -m tools.push runs/mine --zip mine.zip

What goes up is what was recorded: files that differ from the record are refused. After a lost connection the same
command resumes, and what has arrived is not sent again. --board and --zip hand in what tools.verify needs, without the
Hub's model page, unless --hub_model_id asks for that, too.
"""

import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import check_repo_name


@dataclass
class PushOptions:
    hub_model_id: str | None = field(default=None, metadata={"help": "name on the Hub (default: the entry's name)"})
    hub_private_repo: bool = field(
        default=False, metadata={"help": "make the repository private (default: as your account makes new ones)"}
    )
    board: str | None = field(default=None, metadata={"help": "dataset on the Hub to hand the entry in to, OWNER/NAME"})
    replace: bool = field(default=False, metadata={"help": "put it in the place of another entry of that name there"})
    zip: str | None = field(default=None, metadata={"help": "file to write the entry to, to hand it over in person"})


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "folder of the entry, runs/NAME"}}
    options, named = parse_options(__doc__, PushOptions, argv=argv, words=words)
    folder = Path(named.entry)
    for flag, name in (("--hub_model_id", options.hub_model_id), ("--board", options.board)):
        if name is not None:
            check_repo_name(flag, name, owned=flag == "--board")
    has_page = bool(options.hub_model_id) or not (options.board or options.zip)
    if options.replace and not options.board:
        raise UserError("--replace: only goes with --board.")
    if options.hub_private_repo and not has_page:
        raise UserError("--hub_private_repo: beside --board or --zip it only goes with --hub_model_id.")

    from league.hub.transfer import hand_in, push

    if options.zip:
        print(f"written: {write_zip(folder, Path(options.zip))}")
    if options.board:
        print(f"handed in: {hand_in(folder, options.board, options.replace)}")
    if has_page:
        print(f"uploaded: {push(folder, options.hub_model_id, options.hub_private_repo)}")


def write_zip(folder: Path, path: Path) -> Path:
    """Write all that proves an entry to a zip, whole or not at all."""
    from league.files import MASK
    from league.record.folder import files_to_hand_in

    if path.suffix != ".zip":
        raise UserError(f"--zip {str(path)!r}: the name has to end in .zip.")
    files = files_to_hand_in(folder)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for place, source in files.items():
                    # Without the time of the file: the same entry is the same zip.
                    archive.writestr(zipfile.ZipInfo(place), source.read_bytes(), zipfile.ZIP_DEFLATED)
        temporary.chmod(0o666 & ~MASK)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}.") from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
    return path


if __name__ == "__main__":
    run_command(main)
