"""Every table, setting and kind of custody event is written up where a newcomer looks for it."""

import re
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from auth.models import Base as AuthBase
from auth.settings import AuthSettings
from evidence.database import Base
from evidence.proof import acts
from evidence.settings import NoticeSettings, Settings
from transcode.settings import TranscodeSettings

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "evidence" / "README.md").read_text()
FORMAT = (ROOT / "evidence" / "proof" / "FORMAT.md").read_text()


def undocumented(words: set[str], text: str) -> set[str]:
    return {word for word in words if f"`{word}`" not in text}


def test_every_table_is_in_the_glossary() -> None:
    for module in (*ROOT.glob("auth/models.py"), *ROOT.glob("evidence/*/models.py")):
        import_module(".".join(module.relative_to(ROOT).with_suffix("").parts))
    tables = set(Base.metadata.tables) | set(AuthBase.metadata.tables)

    assert len(tables) > 10
    assert undocumented(tables, GLOSSARY) == set()


def test_every_act_is_in_the_format() -> None:
    assert undocumented(set(acts.ACTS), FORMAT) == set()


def test_the_check_sees_a_missing_word() -> None:
    assert undocumented({"custody_record", "no_such_table"}, GLOSSARY) == {"no_such_table"}


def test_every_setting_says_what_it_is() -> None:
    models: list[type[BaseModel]] = [Settings, NoticeSettings, AuthSettings, TranscodeSettings]

    silent = [name for model in models for name, field in model.model_fields.items() if not field.description]

    assert silent == []


def test_every_room_is_on_the_map() -> None:
    rooms = {each.name for each in (ROOT / "evidence").iterdir() if each.is_dir() and not each.name.startswith("__")}

    assert {room for room in rooms if not re.search(rf"(^|\s){room}/", GLOSSARY)} == set()
