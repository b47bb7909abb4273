"""`hardway certs rotate-ca`: its loop, what it waits for, how it proves its end."""
