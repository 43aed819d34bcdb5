"""For users' own tests and notebooks: the 雁江 story, a district's last quarter of 2022, small.

Nothing in the bank itself enters this room.
"""

from __future__ import annotations

from pathlib import Path


def story_folder() -> Path:
    """The folder with the small story's files and the figures that its books must give."""
    return Path(__file__).parent / "story"
