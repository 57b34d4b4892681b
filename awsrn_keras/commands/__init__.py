"""The commands of `awsrn`: each parses, calls the library, and prints."""
