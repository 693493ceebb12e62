"""The repository's address: named once in pyproject.toml, written from there into pages and notebooks."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
OPEN = "https://colab.research.google.com/github/"
NAMED = {
    "clone": "```\ngit clone {address} league\ncd league\n```",
    "colab": "[![Open In Colab]({badge})]({open}{name}/blob/main/{notebook})",
}
# What the pages say while pyproject.toml names no repository.
UNNAMED = {
    "clone": {
        "en": "Fork the repository, and get your copy: *Code* on its page shows the address for `git clone`,\n"
        "or gives you a ZIP file. Then, in its folder:",
        "ko": "저장소를 포크해서 내려받으세요. 저장소 페이지의 *Code*에 `git clone`에 쓸 주소가 있고,\n"
        "ZIP 파일로 받을 수도 있습니다. 그다음 그 폴더에서 실행합니다.",
    },
    "colab": {
        "en": "[![Open In Colab]({badge})]({open})\nPaste the address of your fork there, and choose `{notebook}`.",
        "ko": "[![Open In Colab]({badge})]({open})\n포크한 저장소의 주소를 붙여 넣고 `{notebook}`를 고르세요.",
    },
}


def repository() -> str | None:
    """Return the address that pyproject.toml names, without a slash or .git at its end."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository")
    return address.rstrip("/").removesuffix(".git") if address else None


def with_address(text: str, language: str, address: str | None) -> str:
    """Write the address between all marks of a page; a mark may name the notebook that it opens."""

    def fill(found: re.Match) -> str:
        start, kind, notebook, end = found.groups()
        words = NAMED[kind] if address else UNNAMED[kind][language]
        name = (address or "").removeprefix("https://github.com/")
        notebook = notebook or "league.ipynb"
        filled = words.format(address=address, badge=BADGE, open=OPEN, name=name, notebook=notebook)
        return f"{start}\n{filled}\n{end}"

    return re.sub(r"(<!-- (clone|colab) ?([\w./-]+)? -->)\n.*?(<!-- /\2 -->)", fill, text, flags=re.DOTALL)
