"""Case files, the exhibits in them, who works them, and to whom they were referred.

A case exists without any item and an item without any case.  The exhibit is the link, belongs to
the case, and ends by being withdrawn: nothing here is ever removed.  Closing a case ends what may
be done to it, not who may read it; access ends with the assignment or the referral.
"""
