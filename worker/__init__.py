"""The scoring engine and its RQ worker."""
