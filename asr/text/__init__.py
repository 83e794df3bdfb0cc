"""What is written: normalisation and tokens."""
