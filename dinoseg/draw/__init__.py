"""Pictures for people: masks over photographs, attention heads, sheets of thumbnails."""
