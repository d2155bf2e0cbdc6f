"""The users of Redis, one for each kind of process, with the rights that its work needs."""
