"""Hostile files (M-1): nobody is called, nothing is written, the reader's death harms nobody."""

import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.footage import derived, recording
from tests.transcode.conftest import Kept
from transcode import children, probe
from transcode.media import PROBLEMS
from transcode.settings import TranscodeSettings

OUTCOMES = {"read", "no_recording", "damaged", "memory", "time", "broken"}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where anything temporary may appear, and from which it has to be gone again."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_hostile_files_reach_nothing(tmp_path: Path, temporary: Path, limits: TranscodeSettings) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with hostile.canary() as canary:
        made = hostile.files(canary.url)
        for name, content in made.items():
            (kept / name).write_bytes(content)

        found = {name: probe.probe(kept / name, limits) for name in made}

        assert canary.hits == 0
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == made
    assert list(temporary.iterdir()) == []
    assert {name: one.outcome for name, one in found.items() if one.outcome not in OUTCOMES} == {}
    assert {name for name, one in found.items() if one.media is None and not one.note} == set()
    assert {name for name, one in found.items() if one.outcome == "read"} >= {"mp4_and_zip.mp4", "html_in_an_atom.mp4"}


def test_the_canary_sings_where_there_are_no_walls(keep: Kept, tmp_path: Path) -> None:
    """The control of the test above: the same playlist, the same library, and none of our walls."""
    with hostile.canary() as canary:
        path = keep("clip.mp4", hostile.playlist(canary.url))
        code = (
            "import av, sys\n"
            "options = {'protocol_whitelist': 'file,http,tcp', 'allowed_extensions': 'ALL', 'extension_picky': '0'}\n"
            "try:\n    av.open(sys.argv[1], format='hls', options=options)\nexcept av.FFmpegError:\n    pass"
        )

        ended = children.run([sys.executable, "-I", "-c", code, str(path)], folder=tmp_path, wall_seconds=120)

        assert ended.well, ended.last_words
        assert canary.hits > 0


@pytest.mark.parametrize("demuxer", ["hls", "concat", "dash", "sdp"])
def test_the_walls_hold_even_if_we_chose_a_demuxer_that_fetches(
    keep: Kept, limits: TranscodeSettings, monkeypatch: pytest.MonkeyPatch, demuxer: str
) -> None:
    monkeypatch.setattr("transcode.sniff.demuxer_for", lambda _beginning: demuxer)
    with hostile.canary() as canary:
        for name, content in hostile.files(canary.url).items():
            if name.startswith(("hls", "concat", "dash", "session")):
                found = probe.probe(keep(name, content), limits).media
                assert found is None or found.streams == ()

        assert canary.hits == 0


def test_a_file_that_needs_too_much_memory_is_given_up(keep: Kept, limits: TranscodeSettings) -> None:
    """A small file with one huge picture: read where memory is allowed (the control), given up where it is not."""
    large = ("-an", "-vf", "scale=8000:8000", "-frames:v", "1", "-preset", "ultrafast")
    path = keep("bomb.mp4", derived(".mp4", *large))

    allowed = probe.probe(path, limits)
    refused = probe.probe(path, limits.model_copy(update={"memory": 250_000_000}))

    assert (allowed.outcome, allowed.note) == ("read", None)
    assert refused.note in (PROBLEMS["video_does_not_decode"], probe._REASONS["memory"])


def test_a_reader_that_never_ends_is_ended(keep: Kept, limits: TranscodeSettings) -> None:
    slow = limits.model_copy(update={"wall_seconds": 0.01})

    found = probe.probe(keep("x.mp4", recording()), slow)

    assert (found.outcome, found.media) == ("time", None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_mutants_of_a_good_recording_always_get_an_answer(
    tmp_path: Path, temporary: Path, limits: TranscodeSettings, suffix: str
) -> None:
    paths = []
    for number, mutant in enumerate(hostile.mutants(recording(suffix), 50, number=2)):
        paths.append(tmp_path / f"{number}{suffix}")
        paths[-1].write_bytes(mutant)

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda path: probe.probe(path, limits), paths))

    outcomes = Counter(one.outcome for one in found)
    assert outcomes.keys() <= OUTCOMES - {"time"}
    assert outcomes["read"], "none could be read: the mutants test nothing beyond the first bytes"
    assert len(found) > sum(one.media is not None and not one.media.problems for one in found), "no damage was done"
    assert list(temporary.iterdir()) == []
