# Where sudo insists on a terminal (requiretty): this runs as the login user without one, and carries bytes between our
# channel and two pipes that root's shell, started from a second channel with a terminal, has as its stdin and stdout.
# No byte of a script or of data then ever passes through a terminal. Written under the same rules as root_shell.sh.
t=$1; umask 077;
d=; for b in /dev/shm /tmp; do mkdir "$b/hardway-tty.$t" 2>/dev/null && { d=$b/hardway-tty.$t; break; }; done;
[ -n "$d" ] || { echo "cannot create a directory for pipes in /dev/shm or /tmp"; exit 1; };
# The hang-up that ends us must not end the rm as well.
trap "trap \"\" HUP INT TERM PIPE; rm -rf $d" EXIT; trap exit HUP INT TERM PIPE;
mkfifo "$d/i" "$d/o" || exit 1;
printf "\n%s %s\n" "$t" "$d";
# Opening a pipe waits for the other end: not before root has answered, else a refusal would leave us hanging.
read -r go || exit 1;
cat <"$d/o" & cat >"$d/i"; wait;
