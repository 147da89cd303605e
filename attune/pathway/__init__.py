"""`attune pathway`: the states of a child and a consultation, found by trying out the services' own rules."""
