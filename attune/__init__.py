"""The command line of Attune: the local stack and the tools that look at a running system."""
