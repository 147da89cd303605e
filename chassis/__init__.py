"""What every service needs and none writes twice. Knows no word of the field."""
