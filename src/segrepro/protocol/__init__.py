"""What a paper did and claimed, as frozen types; and what the DAG must make of it."""
