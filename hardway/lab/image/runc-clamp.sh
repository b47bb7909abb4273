#!/bin/sh
# Stands before runc on machines that may not lower an oom score: asks for 0 instead, then becomes the next runc in PATH.
bundle=.
before=
for word; do
    case $before in --bundle | -b) bundle=$word ;; esac
    before=$word
done
case " $* " in
*" create "* | *" run "*) sed -i -E 's/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/' "$bundle/config.json" ;;
esac
# containerd puts directories of its own before ours in PATH, so "the next" means any but this one.
IFS=:
for directory in $PATH; do
    [ "$directory" != /opt/lab/bin ] && [ -x "$directory/runc" ] && exec "$directory/runc" "$@"
done
echo "no runc in $PATH" >&2
exit 127
