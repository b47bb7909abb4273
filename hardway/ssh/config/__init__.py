"""What the OpenSSH configuration of this computer says of a host: OpenSSH itself is asked, so that what `ssh` does is
what hardway does."""
