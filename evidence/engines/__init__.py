"""The engines below us: the database server we start ourselves, and the schema in it.

`postgres.attached(home)` gives a running PostgreSQL to whoever needs it, for as long as it is
needed, and leaves nothing running afterwards.  `agencys_own` reads the address of any other and
says why it does not answer.  `schema` brings the tables of any PostgreSQL,
embedded or an agency's own, to what this version of the program expects.
"""
