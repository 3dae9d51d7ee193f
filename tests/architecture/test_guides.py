"""What the guides tell people to type is there: every command, option and page that they name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from evidence.cli import app

ROOT = Path(__file__).parents[2]
GUIDES = sorted(ROOT.glob("*/guide/*.md"))
PAGES = [ROOT / "README.md", ROOT / "auth" / "README.md", *GUIDES]

FENCED = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(evidence [^`]+)`")


def fenced(text: str) -> Iterator[list[str]]:
    """Yield what is to be typed after `evidence`, command by command."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for each in line.split(" && "):
                words = shlex.split(each, comments=True)
                if words and words[0].rpartition("/")[2] == "evidence":
                    yield words[1:]


def inline(text: str) -> Iterator[list[str]]:
    """Yield the same of commands named in a sentence, which may leave things out."""
    text = FENCED.sub("", text)
    for each in INLINE.findall(text):
        yield shlex.split(" ".join(each.split()))[1:]


def problem(words: list[str], *, whole: bool) -> str | None:
    """Say what is wrong with a command line; `whole`: it has to name all that is needed."""
    command: Any = typer.main.get_command(app.build())
    context = command.make_context("evidence", [], resilient_parsing=True)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"there is no {words[0]}"
        command, words = command.commands[words[0]], words[1:]
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
    context.resilient_parsing = False
    try:
        found, left, _ = command.make_parser(context).parse_args(list(words))
    except typer.TyperException as error:
        return error.format_message()
    if left:
        return f"more than it takes: {left}"
    missing = [each.name for each in command.params if each.required and found.get(each.name) in (None, ())]
    return f"without {missing}" if whole and missing else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one(page: Path) -> None:
    text = page.read_text()

    wrong = {shlex.join(each): said for each in fenced(text) if (said := problem(each, whole=True))}
    wrong |= {shlex.join(each): said for each in inline(text) if (said := problem(each, whole=False))}

    assert wrong == {}


def test_enough_is_looked_at() -> None:
    typed = [each for page in GUIDES for each in fenced(page.read_text())]
    named = [each for page in GUIDES for each in inline(page.read_text())]

    assert len(typed) > 20
    assert len(named) > 20


@pytest.mark.parametrize(
    "line",
    [
        "acount list",
        "account lists",
        "account list --sorted",
        "account list extra",
        "account create --email x --name y",
        "group map officers --role officer --reason x",
        "dock enrol",
        "admin reset --password-file",
    ],
)
def test_a_command_that_is_none_is_found(line: str) -> None:
    assert problem(line.split(), whole=True)


def test_every_page_is_there_and_can_be_reached() -> None:
    linked: set[Path] = set()
    for page in GUIDES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)
            linked.add((page.parent / target).resolve())

    assert {page for page in GUIDES if page.name != "README.md"} <= linked
    for kind in ("entra", "google", "okta", "keycloak"):
        assert f"({kind}.md)" in (ROOT / "auth" / "guide" / "README.md").read_text()
