"""The command line: what people see, as pure functions of what was found."""
