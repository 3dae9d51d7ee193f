"""The engines below us: the database server we start ourselves, and the schema in it.

`postgres.attached(home)` gives a running PostgreSQL to whoever needs it, for as long as it is
needed, and leaves nothing running afterwards.  `schema` brings the tables of any PostgreSQL,
embedded or an agency's own, to what this version of the program expects.
"""
