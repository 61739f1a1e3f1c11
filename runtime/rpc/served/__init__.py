"""What a call was served: the trailer of each reply, and the record for calls that end without one."""
