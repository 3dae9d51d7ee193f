"""The evidence items themselves: one original, its description, what was read from it.

An item exists from the moment its original was received and proved whole
(evidence/ingest/receive.py); nothing here ever changes an original.
"""
