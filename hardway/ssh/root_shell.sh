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
# Reading exactly n bytes and not one more differs between systems, so the way to do it is tried out, not assumed.
probe() { [ "$(echo abcd | { "$@" >/dev/null 2>&1; cat; } 2>/dev/null)" = cd ]; };
if probe head -c 2; then take() { head -c "$1"; };
elif probe dd bs=2 count=1 iflag=fullblock; then take() { dd bs="$1" count=1 iflag=fullblock 2>/dev/null; };
else take() { dd bs=1 count="$1" 2>/dev/null; };
fi;
# Half of a script is never run and half of an input never given: a connection that breaks or a full disk may cut them short,
# and what is left of them in the channel is no request.
whole() { [ $(($(wc -c <"$1"))) = "$2" ] && return; echo "only a part of the data could be written to $d"; df "$d"; exit 1; };
# A session of its own lets a script that hangs be ended with all its children.
g=; command -v setsid >/dev/null 2>&1 && g=setsid;
launch() { umask 022; exec $g sh "$s"; };
# Nothing more is said to a command that is only listened to: when our stdin ends, nobody listens any more.
watch() { cat; kill -- "${g:+-}$1"; };
k=0; printf "\n%s %s\n" "$t" "$(id -u)";
while read -r m n i; do
k=$((k+1)); s=$d/s$k; f=/dev/null;
take "$n" >"$s"; whole "$s" "$n";
case $m in
run) [ "$i" = 0 ] || { f=$d/i$k; take "$i" >"$f"; whole "$f" "$i"; }; ( launch ) <"$f" >"$d/o$k" 2>"$d/e$k" & p=$!; printf "\n%s %s\n" "$t" "$p" ;;
stream) exec 3<&0; ( launch ) <&3 3<&- >"$d/o$k" 2>"$d/e$k" & p=$!; printf "\n%s %s\n" "$t" "$p" ;;
follow) exec 3<&0; ( launch ) </dev/null 3<&- 2>&1 & p=$!; watch "$p" <&3 >/dev/null 2>&1 & w=$! ;;
talk) exec 3<&0; ( launch ) <&3 3<&- 2>&1 & p=$! ;;
esac;
wait "$p"; c=$?;
case $m in follow|talk) [ "$m" = talk ] || kill "$w" 2>/dev/null; printf "\n%s %s\n" "$t" "$c"; exit 0 ;; esac;
# Something left running in the background may still write to these files: sizes are fixed first, then just so much is sent.
o=0; [ -s "$d/o$k" ] && o=$(wc -c <"$d/o$k");
e=0; [ -s "$d/e$k" ] && e=$(wc -c <"$d/e$k");
printf "\n%s %s %s %s\n" "$t" "$c" $((o)) $((e));
[ $((o)) = 0 ] || head -c $((o)) "$d/o$k";
[ $((e)) = 0 ] || head -c $((e)) "$d/e$k";
rm -f "$d"/?"$k";
[ "$m" = run ] || exit 0;
done;
