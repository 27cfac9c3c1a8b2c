"""Records: cut from files of any format, and merged by time."""
