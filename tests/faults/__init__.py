"""What happens when processes race and die: real clients, real kills."""
