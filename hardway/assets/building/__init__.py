"""Building programs and images on this computer: Go modules, their toolchain, and packages of Debian."""
