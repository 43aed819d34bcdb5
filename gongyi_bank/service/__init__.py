"""The acts: every one loads facts, lets the rules decide, and writes; all pass the gate."""
