"""`hardway certs`: what certificates there are, and how they are replaced while the cluster lives."""
