"""The networks, and the folders in which they are saved."""
