"""Files made to harm whoever reads them, and a server on loopback that counts who calls on it."""

import random
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.support.footage import recording


class Canary:
    """A listening socket. Every connection is counted, answered with an error and closed."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.hits = 0
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/canary"
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            self.hits += 1
            with caller:
                caller.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@contextmanager
def canary() -> Iterator[Canary]:
    listening = Canary()
    yield listening
    listening.close()


def playlist(url: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}/segment.ts\n#EXT-X-ENDLIST\n".encode()


def files(url: str) -> dict[str, bytes]:
    """Hand-made hostile files by name. Those that fetch would fetch from the address."""
    good = recording()
    return {
        "hls_in.mp4": playlist(url),
        "hls_file_in.mp4": playlist("file:///etc/passwd"),
        "hls_key.m3u8": b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="%b/key"\n' % url.encode() + playlist(url)[8:],
        "hls_map.mp4": b'#EXTM3U\n#EXT-X-MAP:URI="%b/init.mp4"\n' % url.encode() + playlist(url)[8:],
        "concat_in.mp4": f"ffconcat version 1.0\nfile '{url}/x.mp4'\n".encode(),
        "concat_of_files.mkv": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "dash_in.mp4": _dash(url),
        "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/x.png"/></svg>'.encode(),
        "imf_in.mxf": f"<AssetMap xmlns='http://www.smpte-ra.org/schemas/429-9/2007/AM'>{url}</AssetMap>".encode(),
        "avi_with_playlist.avi": b"RIFF\x00\x10\x00\x00AVI " + b"GAB2\x00\x02\x00" + playlist(url),
        "mov_with_references.mov": _references(url),
        "moov_of_2_62.mp4": _ftyp() + struct.pack(">I4sQ", 1, b"moov", 1 << 62),
        "atom_of_size_0.mp4": _ftyp() + struct.pack(">I4s", 0, b"moov") + bytes(64),
        "twenty_thousand_deep.mp4": _ftyp() + _nested(20_000),
        "times_2_28.mp4": _with_count(good, b"stts", 1 << 28),
        "samples_100_million.mp4": _with_samples(good, 100_000_000),
        "mp4_and_zip.mp4": good + b"PK\x05\x06" + bytes(18),
        "html_and_mp4.html": b"<html><script>0</script>" + good,
        "html_in_an_atom.mp4": struct.pack(">I4s", 8 + 26, b"free") + b"<script>alert(0)</script>\n" + good,
        "bomb.png": _large_png(30_000),
        "bomb_of_zeros.mkv": b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(4096),
        "million_streams.ts": (b"\x47\x40\x00\x10" + bytes(184)) * 2000,
        "nothing_but_ff.mp3": b"\xff\xfb\x90\x00" + b"\xff" * 10_000,
    }


def mutants(seed: bytes, count: int, *, number: int) -> Iterator[bytes]:
    """Yield damaged copies of the seed; the same number gives the same ones.

    Most damage goes where the structure is: into the first and last kilobytes.
    """
    chance = random.Random(number)
    for _ in range(count):
        mutant = bytearray(seed)
        for _ in range(chance.choice((1, 2, 8, 64))):
            edge = min(4096, len(mutant) - 1)
            place = chance.choice(
                (chance.randrange(edge), len(mutant) - 1 - chance.randrange(edge), chance.randrange(len(mutant)))
            )
            match chance.randrange(4):
                case 0:
                    mutant[place] ^= 1 << chance.randrange(8)
                case 1:
                    mutant[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
                case 2:
                    del mutant[place : place + chance.randrange(1, 64)]
                case 3:
                    mutant[place:place] = mutant[place : place + chance.randrange(1, 64)]
        yield bytes(mutant)


def _ftyp() -> bytes:
    return struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")


def _nested(depth: int) -> bytes:
    return b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))


def _with_count(good: bytes, atom: bytes, count: int) -> bytes:
    place = good.index(atom) + 8
    return good[:place] + struct.pack(">I", count) + good[place + 4 :]


def _with_samples(good: bytes, count: int) -> bytes:
    """Every sample one byte, and so many of them: an index that does not fit into memory."""
    place = good.index(b"stsz") + 8
    return good[:place] + struct.pack(">II", 1, count) + good[place + 8 :]


def _references(url: str) -> bytes:
    """A QuickTime file whose data lies elsewhere."""
    address = url.encode() + b"\0"
    link = struct.pack(">I4sI", 12 + len(address), b"url ", 0) + address
    good = recording(".mov")
    place = good.index(b"url ") - 4
    return good[:place] + link + good[place + 12 :]


def _dash(url: str) -> bytes:
    return (
        '<?xml version="1.0"?>'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f'<BaseURL>{url}/x.mp4</BaseURL><SegmentBase indexRange="0-99"/>'
        "</Representation></AdaptationSet></Period></MPD>"
    ).encode()


@cache
def _large_png(side: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    squeezing = zlib.compressobj(1)
    row = bytes(1 + side // 8)
    squeezed = b"".join(squeezing.compress(row) for _ in range(side)) + squeezing.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", squeezed) + chunk(b"IEND", b"")
