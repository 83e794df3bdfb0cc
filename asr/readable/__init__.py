"""Readable text: capitals, punctuation and numbers for the words that a recogniser writes."""
