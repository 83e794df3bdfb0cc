"""How it spells: the search for the best transcript."""
