"""The network, and the folder that it is kept in."""
