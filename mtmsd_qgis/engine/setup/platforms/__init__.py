"""What differs between systems, one small file each: pure functions, no look at the machine."""
