"""Handing evidence over: so far one way, an export that anybody can check offline.

`exports` decides what may go out and enters it in custody before a byte leaves; `package` writes
the file.
"""
