"""Training of recognisers and language models."""
