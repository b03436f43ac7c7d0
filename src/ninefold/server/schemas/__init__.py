"""What requests and answers of the API hold, a module for each thing they are about."""
