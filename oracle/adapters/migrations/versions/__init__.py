"""One file a revision, in the words of alembic; never edited once released."""
