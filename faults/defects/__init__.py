"""The negative control: defects that are put into a copy of the sources on purpose; tests must catch every one."""
