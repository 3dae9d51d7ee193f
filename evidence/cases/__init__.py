"""Case files, the exhibits in them, who works them, and to whom they were referred.

A case exists without any item and an item without any case.  The exhibit is the link, belongs to
the case, and ends by being withdrawn: nothing here is ever removed.  Closing a case ends what may
be done to it, not who may read it; access ends with the assignment or the referral.

Two cases that were one are merged: what stands at the one goes over to the other under new numbers, and the
number of the first finds the second from then on.  Whoever may know of the case that remains may read the file
of the one that ended.  A merger ends a case and links its items elsewhere, and is asked leave for as that:
`case.close` of the one, `case.link` of both, and `case.refer` where it lays either before a further agency.  People go
over with their case, so it opens evidence to them: it needs a reason, and its answer says who sees what.
"""
