"""Hooks of mkdocs: pages that are kept outside docs/, and links that leave docs/.

Pages are written for the repository, where every relative link works. On the site, a link to another page becomes a link to that page,
and a link to a source file becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "asr/pretrained/README.md": "model-card.md",
    "manifests/README.md": "manifests.md",
    "recipes/an4/README.md": "recipes/an4.md",
}
"""Pages outside docs/: path in the repository -> path on the site."""
LINK = re.compile(r"(?<!!)\[((?:[^][]|\[[^][]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are kept outside docs/."""
    root = posixpath.dirname(config.docs_dir)
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=f"{root}/{source}"))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Point every relative link at the site."""
    here = page.file.src_uri
    inverse = {page: source for source, page in OUTSIDE.items()}
    folder = posixpath.dirname(inverse.get(here, f"docs/{here}"))

    def on_site(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        source = posixpath.normpath(posixpath.join(folder, target))
        destination = OUTSIDE.get(source, source.removeprefix("docs/"))
        if files.get_file_from_path(destination) is None:
            return text
        return f"[{text}]({posixpath.relpath(destination, posixpath.dirname(here) or '.')}{anchor})"

    return LINK.sub(on_site, markdown)
