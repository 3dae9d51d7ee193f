"""From camera and dock to a registered evidence item: the story of an upload.

It is opened with its size, what is said of it (manifests.py) and, by a dock always, its SHA-256
(uploads.py).  Its bytes come in pieces of any length over any number of connections
(streaming.py); a writer behind a fence (fences.py) takes the digest of each chunk on the stream,
encrypts, stores and moves the durable offset on (writing.py), while a second reader follows and
reads back what the disk really has (trailing.py).  intake.py keeps what one server process is at.

When all bytes are durable the upload is sealed (receive.py): what was declared, what came in and
what is stored must be one and the same; then it is an item with a chain of custody and a receipt,
in one transaction.  If not, it is kept and explained in quarantine (quarantine.py).

A process may die at any of these steps.  The client, any other server process or the sweep
(sweep.py, run by jobs.py) goes on from what is durable; what ended uploads leave behind is
cleared (clearing.py).
"""
