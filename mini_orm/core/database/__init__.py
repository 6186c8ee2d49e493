"""Connection scope: who has the connection, in which transaction, on which thread or task."""
