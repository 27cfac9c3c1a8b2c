"""The records that somebody asks for: chosen, followed, shown."""
