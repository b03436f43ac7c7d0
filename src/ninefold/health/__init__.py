"""What an installation has and lacks, and how to get it: for `ninefold doctor` and admins."""
