# The lease of the cluster on one host: the right of one run to change it. It is a lock that this process holds, so the kernel takes it
# back with the process, whatever ends that: the end of the run, of its computer, of the connection, of this host. A peer that is gone
# without a word says nothing more: then the process ends by itself.
LEASE=/run/hardway.lease
HELD_BY_ANOTHER=75 UNABLE=69

# hold TOKEN SECONDS ENDED: hold the lease as long as a line comes on stdin every so many seconds. First it says who had it before. Each
# line says who holds it now: it is kept in the file for others to read, and sent back as a receipt. A run that is just ending is waited
# for. ENDED is the token of one that has certainly ended, and may have left a process here that has not noticed yet; so may TOKEN itself,
# which comes back by another connection when one broke.
hold() {
  for tool in flock timeout readlink; do command -v $tool >/dev/null 2>&1 || exit $UNABLE; done
  umask 077; (: >>"$LEASE") 2>/dev/null || exit $UNABLE
  exec 9>>"$LEASE"; tried=0
  until flock -n 9; do
    tried=$((tried + 1)); [ $tried -lt 10 ] || exit $HELD_BY_ANOTHER
    end_what_is_left "$1" "$3"; sleep 0.2 || sleep 1
  done
  last; echo "after $token $state"
  # The lock is this process's alone: a child that outlives it must not keep it.
  while beat=$(exec 9>&-; exec timeout "$2" sh -c 'IFS= read -r beat && printf %s "$beat"'); do
    printf '%s %s\n' $$ "$beat" >"$LEASE"; printf '%s\n' "$beat"
  done
}
last() { pid=; token=; state=; read -r pid token state rest <"$LEASE" || :; }

end_what_is_left() {
  last; case $token in "$1" | "$2") if [ "$(readlink "/proc/$pid/fd/9")" = "$LEASE" ]; then kill "$pid"; fi ;; esac
}
