"""Measurements that anyone can repeat; each script says what it prints and what it asks for."""
