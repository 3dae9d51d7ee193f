"""The dock: from a folder of recordings to signed receipts, over HTTP only.

`folder` says which files stand still and what their sidecars say; `identity` is the dock's key;
`connection` speaks to a server and `client` sends one file by tus 1.0; `receipts` holds the
server to its receipt; `state` remembers what was sent; `upload` tells the story of one file.
Nothing here ever writes into the folder of recordings, so a read-only mount will do.
"""
