"""Watching footage and having a copy of it.

A viewing is opened first: who, what, why, from where is entered in the item's chain and committed
(the intent) before the first byte leaves.  Every read of it, however many ranges a player asks
for, is that one viewing; what it was sent is counted before it is sent, so that the count is
never less than what arrived somewhere.  When it ends, the chain is told how much went out (the
completion).  A server that dies in between leaves a viewing without an end, which the sweep ends as
it stands; until then the chain reads "outcome unknown", and never "was not read".
"""
