"""A server that does nothing but answer: what reading evidence is compared with.

uvicorn bench.bare:app
"""

from fastapi import FastAPI, Response

SIZE = 64 << 10
"""Bytes of the answer, and of the item that is read beside it."""

app = FastAPI()
_answer = bytes(SIZE)


@app.get("/healthz")
def read() -> Response:
    """Answer, of the size that is read of an item."""
    return Response(_answer, media_type="application/octet-stream")
