# The program that answers calls on a host, as root. It is sent as one line inside single quotes to whatever login shell
# there is, so: no single quote, and every statement ends with ";" (or with then, do, else, in, a bracket or "&").
# $1 is a random token; every answer begins on a fresh line with it, and all that comes before it is noise.
t=$1; umask 077; cd /;
LC_ALL=C; PATH=${PATH:-/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH;
# mkdir of a name nobody can guess is atomic and follows no link, so this needs no mktemp.
d=; for b in /run /dev/shm /tmp; do mkdir "$b/hardway.$t" 2>/dev/null && { d=$b/hardway.$t; break; }; done;
[ -n "$d" ] || { echo "cannot create a directory for temporary files in /run, /dev/shm or /tmp"; exit 1; };
# The hang-up that ends us must not end the rm as well.
trap "trap \"\" HUP INT TERM PIPE; rm -rf $d" EXIT; trap exit HUP INT TERM PIPE;
# Half of a script is never run and half of an input never given: a connection that breaks or a full disk may cut them short, and what
# is left of them in the channel is no request. Reading exactly n bytes and not one more differs between systems, so the way to do it
# is tried out, not assumed. by_WAY N FILE: dd that can wait for a whole block says itself that it has read and written all of it.
# (Without exec, bash would start a process for the command and one for what it says.)
by_block() { case $(exec dd bs="$1" count=1 iflag=fullblock 2>&1 >"$2") in "1+0 records in"*"1+0 records out"*) ;; *) return 1 ;; esac; };
by_head() { head -c "$1" >"$2"; whole "$@"; };
by_byte() { dd bs=1 count="$1" >"$2" 2>/dev/null; whole "$@"; };
whole() { [ $(($(exec wc -c <"$2"))) = "$1" ]; };
works() { echo abcd | { "$1" 2 "$d/tried" && read -r rest && [ "$rest" = cd ]; } 2>/dev/null; };
for take in by_block by_head by_byte; do works $take && break; done;
halved() { echo "only a part of the data could be written to $d"; df "$d"; exit 1; };
# A session of its own lets a script that hangs be ended with all its children.
g=; command -v setsid >/dev/null 2>&1 && g=setsid;
launch() { umask 022; exec $g sh "$s"; };
# Nothing more is said to a command that is only listened to: when our stdin ends, nobody listens any more.
watch() { cat; kill -- "${g:+-}$1"; };
k=0; printf "\n%s %s\n" "$t" "$(id -u)";
while read -r m n i; do
k=$((k+1)); s=$d/s$k; f=/dev/null;
$take "$n" "$s" || halved;
case $m in
run) [ "$i" = 0 ] || { f=$d/i$k; $take "$i" "$f" || halved; }; ( launch ) <"$f" >"$d/o$k" 2>"$d/e$k" & p=$!; printf "\n%s %s\n" "$t" "$p" ;;
stream) exec 3<&0; ( launch ) <&3 3<&- >"$d/o$k" 2>"$d/e$k" & p=$!; printf "\n%s %s\n" "$t" "$p" ;;
follow) exec 3<&0; ( launch ) </dev/null 3<&- 2>&1 & p=$!; watch "$p" <&3 >/dev/null 2>&1 & w=$! ;;
talk) exec 3<&0; ( launch ) <&3 3<&- 2>&1 & p=$! ;;
esac;
wait "$p"; c=$?;
case $m in follow|talk) [ "$m" = talk ] || kill "$w" 2>/dev/null; printf "\n%s %s\n" "$t" "$c"; exit 0 ;; esac;
# Something left running in the background may still write to these files: sizes are fixed first, then just so much is sent.
o=0; e=0; if [ -s "$d/o$k" ] || [ -s "$d/e$k" ]; then set -- $(exec wc -c "$d/o$k" "$d/e$k"); o=$1; e=$3; fi;
printf "\n%s %s %s %s\n" "$t" "$c" $((o)) $((e));
[ $((o)) = 0 ] || head -c $((o)) "$d/o$k";
[ $((e)) = 0 ] || head -c $((e)) "$d/e$k";
# Of a request its name alone is left, for a while: to empty a file takes no process, and to remove it takes one.
for f in s i o e; do if [ -s "$d/$f$k" ]; then true >"$d/$f$k"; fi; done;
[ $((k%100)) != 0 ] || rm -f "$d"/*;
[ "$m" = run ] || exit 0;
done;
