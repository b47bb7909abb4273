# Everything hardway can do to a host. One function per op verb; $stage is a private folder with
# the content that came along. A foreign file is kept aside before it is replaced, and put back by `drop`.
STATE=/var/lib/hardway
umask 077
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# on_disk FILE...: what nobody could make again must not be empty after a power cut
on_disk() { sync "$@" 2>/dev/null || sync; }

# in_state FOLDER: of our records, of which most are there already
in_state() { [ -d "$STATE/$1" ] || mkdir -p "$STATE/$1"; }

keep_aside() { # a file we have not written ourselves is saved once
  if [ -e "$STATE/ours$1" ]; then return; fi
  in_state "ours${1%/*}"
  if [ -e "$1" ] || [ -L "$1" ]; then in_state "before${1%/*}"; cp -a "$1" "$STATE/before$1"; [ -L "$1" ] || on_disk "$STATE/before$1"; fi
  : >"$STATE/ours$1"
}

# Nothing is written through a link: a file takes the link's own place, and is not moved into the folder to which that leads. A folder
# may be a link to one on another disk, as in read.sh's `file`.
no_folder() { if [ -d "$1" ] && [ ! -L "$1" ]; then echo "$1 is a folder, and a file belongs there: move it elsewhere" >&2; return 1; fi; }

# place FROM PATH: in one rename. Where busybox would not rename over a link to a folder, it goes first.
place() { if [ -L "$2" ] && [ -d "$2" ]; then rm -f "$2"; fi; mv -fT "$1" "$2"; }

# mkdir PATH MODE OWNER GROUP: that it was us who made it is noted first, so that a run that dies leaves no orphan
w_mkdir() {
  if [ -L "$1" ] && [ ! -d "$1" ]; then echo "$1 is a link that leads to no folder: remove it" >&2; return 1; fi
  if [ -e "$1" ]; then [ -d "$1" ] || mkdir "$1"; w_own "$@"; return; fi
  in_state "dirs$1"; : >"$STATE/dirs$1/.made"
  if [ ! -d "${1%/*}/" ]; then (umask 022; exec mkdir -p "${1%/*}"); fi
  mkdir -m "$2" "$1"; owned "$3:$4" "$1/."
}

# put PATH MODE OWNER GROUP BLOB: the content becomes visible in one rename, owner and mode already right
w_put() { beside "$1" "$2" "$3" "$4" "$5"; place "$new" "$1"; label "$1"; }
# beside PATH MODE OWNER GROUP BLOB: next to its place, as $new. It has its mode already: see `modes`.
beside() {
  no_folder "$1"; keep_aside "$1"; new=${1%/*}/.${1##*/}.hardway
  owned "$3:$4" "$stage/$5"; place "$stage/$5" "$new"
}
# modes MODE BLOB...: of all content that is to have it, while it is where nobody else comes to it
modes() { mode=$1; shift; for b; do shift; set -- "$@" "$stage/$b"; done; chmod "$mode" "$@"; }
# owned OWNER:GROUP FILE: what we make as root is root's from the beginning
owned() { if [ "$1" != root:root ] || ! [ -O / ] || ! [ -O "$2" ] || ! [ -G "$2" ]; then chown -h "$1" "$2"; fi; }
# check PROGRAM BLOB: refuse content that its program does not accept, before it is put anywhere. A program that is not installed yet
# reads it when it starts.
w_check() {
  PATH=$PATH:/usr/sbin:/sbin
  if command -v "$1" >/dev/null 2>&1; then
    case $1 in haproxy) haproxy -c -f "$stage/$2" ;; esac >"$stage/.check" 2>&1 || { tail -n 20 "$stage/.check" >&2; return 1; }
  fi
}
# With SELinux a file keeps the label of the folder it came from, and systemd may not read or start it there.
label() { if command -v restorecon >/dev/null 2>&1; then restorecon "$1" || :; fi; }

# binary PATH MODE OWNER GROUP SHA256 BLOB: put, if it is on this disk what was sent from the other. Its digest is recorded, so that it
# need not be computed again: after a power cut the record must not say more than there is, so the content is on disk first.
w_binary() {
  beside "$1" "$2" "$3" "$4" "$6"; on_disk "$new"; same "$new" "$5" || { rm -f "$new"; return 1; }
  place "$new" "$1"; label "$1"; record "$1" "$5"
}
same() { sum=$(sha256sum <"$1"); if [ "${sum%% *}" != "$2" ]; then echo "$1 has SHA-256 ${sum%% *}, expected $2" >&2; return 1; fi; }
record() { in_state "digests${1%/*}"; sig=$(stat -c '%s %i %y %z' "$1"); echo "$2 $sig" >"$STATE/digests$1"; versions "$1" "$sig"; }
# versions PATH SIGNATURE: what a program says of its version, for those of which a survey tells it. The signature is of the program before
# it was asked, and the last line: of a record that is not whole nothing is believed. What cannot be had is not recorded.
versions() {
  case ${1##*/} in kube-apiserver | kubelet | etcd | containerd) ;; *) return 0 ;; esac
  version=$(exec timeout 5 "$1" --version 2>/dev/null </dev/null 9>&-) && [ -n "$version" ] || return 0
  in_state "versions${1%/*}"; printf '%s\n%s\n' "$version" "$2" >"$STATE/versions$1"
}

# swap PATH MODE OWNER GROUP SHA256 [keep]: a program that was brought beside its place takes it. The one that was there is kept
# beside, under another name of the same file, so that both are there whenever the power goes.
w_swap() {
  next="${1%/*}/.${1##*/}.next"; if [ -L "$next" ]; then echo "$next is a link" >&2; return 1; fi
  same "$next" "$5"; on_disk "$next"
  no_folder "$1"; keep_aside "$1"; if [ "${6:-}" = keep ]; then keep_former "$1" "${1%/*}/.${1##*/}.before"; fi
  owned "$3:$4" "$next"; chmod "$2" "$next"; place "$next" "$1"; label "$1"
  record "$1" "$5"; rm -f "$STATE/ours$next" "$STATE/digests$next"
}

# keep_former PATH NAME: that the other name is ours is noted first, so that a reset takes it away
keep_former() { no_folder "$2"; in_state "ours${2%/*}"; : >"$STATE/ours$2"; if [ -L "$2" ]; then rm -f "$2"; fi; ln -f "$1" "$2"; }

# own PATH MODE OWNER GROUP: metadata alone, and not of what a file that has become a link leads to
w_own() {
  if [ -d "$1" ]; then owned "$3:$4" "$1/."; chmod "$2" "$1/."; return; fi
  if [ -L "$1" ]; then echo "$1 has become a link: nothing was changed" >&2; return 1; fi
  owned "$3:$4" "$1"; chmod "$2" "$1"
}

# discard PATH: what a program has put there itself and makes again
w_discard() { rm -f "$1"; }

# drop PATH: remove our file and put back what stood there before; that is forgotten last, so it survives a reset that dies
w_drop() {
  [ -e "$STATE/ours$1" ] || return 0
  if [ -e "$STATE/before$1" ] || [ -L "$STATE/before$1" ]; then rm -f "$1.hardway"; cp -a "$STATE/before$1" "$1.hardway"; [ -L "$1.hardway" ] || on_disk "$1.hardway"; place "$1.hardway" "$1"
  else rm -f "$1"; fi
  rm -f "$STATE/ours$1" "$STATE/digests$1" "$STATE/versions$1"; rm -f "$STATE/before$1"
}

# rmdir PATH: a folder of ours, only when nothing is left in it; one still in use stays ours, for whichever phase empties it
w_rmdir() { rmdir "$1" 2>/dev/null || [ ! -e "$1" ] || return 0; rm -f "$STATE/dirs$1/.made"; }

# rmtree PATH: a folder that holds nothing but our own data; what is mounted in it may be anybody's
w_rmtree() {
  inside=$(below "$1" | head -n 1)
  if [ -n "$inside" ]; then echo "$inside is mounted in $1 and may hold other data: umount it first" >&2; return 1; fi
  if [ -L "$1" ] || mountpoint -q "$1" 2>/dev/null; then find "$1/" -mindepth 1 -maxdepth 1 -exec rm -rf {} +; else rm -rf "$1"; fi
}

# rewrite FILE COMMAND...: a file of the host's, which may be a link, as the command prints it; owner and mode stay
rewrite() {
  file=$(readlink -f "$1"); shift; rm -f "$file.hardway"; cp -a "$file" "$file.hardway"; "$@" <"$file" >"$file.hardway"
  on_disk "$file.hardway"; place "$file.hardway" "$file"
}

# block PATH MARK BLOB: our marked lines inside a file that belongs to the host; dropblock takes them out
w_block() { made "$1"; rewrite "$1" with_block "$2" "$stage/$3"; }
w_dropblock() { made "$1"; rewrite "$1" without_block "$2"; }
made() { if [ ! -e "$1" ]; then : >"$1"; chmod 644 "$1"; fi; }
with_block() { without_block "$1"; echo "# BEGIN $1"; cat "$2"; echo "# END $1"; }
# Where somebody has removed the last line of it, what follows may be anybody's and stays.
without_block() {
  awk -v begin="# BEGIN $1" -v end="# END $1" '$0 == begin {inside = 1; held = ""; next} !inside {print; next}
    $0 == end {inside = 0; next} {held = held $0 "\n"} END {if (inside) printf "%s", held}'
}

# packages MANAGER NAME...: install what is missing, without questions, and remember that it was us, once it is there: what could not be
# installed may be somebody else's later. A run that dies leaves "installing" for the next one. What somebody else's dpkg has begun is
# finished, and stays theirs.
w_packages() {
  manager=$1; shift; mkdir -p "$STATE/packages" "$STATE/installing"
  for p; do begun "$p" || [ -e "$STATE/packages/$p" ] || : >"$STATE/installing/$p"; done
  give_up=$(($(date +%s) + PATIENCE)); installed >"$stage/.before"
  case $manager in
    apt-get) unlocked apt_install "$@" || { unlocked apt-get -qq update || :; unlocked apt_install "$@"; } ;;
    apk) apk add -q "$@" ;;
    zypper) zypper -n -q install "$@" ;;
    *) "$manager" -y -q install "$@" ;;
  esac </dev/null >"$stage/.packages.log" 2>&1 || { tail -n 20 "$stage/.packages.log" >&2; for p; do not_begun "$p"; done; return 1; }
  for p; do if [ -e "$STATE/packages/$p" ] || [ -e "$STATE/installing/$p" ]; then recorded "$p"; fi; done
}
recorded() { installed | grep -vxFf "$stage/.before" >>"$STATE/packages/$1" || :; on_disk "$STATE/packages/$1"; rm -f "$STATE/installing/$1"; }
not_begun() { begun "$1" || installed | grep -qxF "$1" || rm -f "$STATE/installing/$1"; }
begun() { case $(dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | head -n 1) in ?[iUFHWt]*) return 0 ;; *) return 1 ;; esac; }
installed() { if command -v dpkg-query >/dev/null 2>&1; then dpkg-query -W -f '${Package}\n'; elif command -v rpm >/dev/null 2>&1; then rpm -qa --qf '%{NAME}\n'; else apk info 2>/dev/null || :; fi; }
# A machine that lost power while packages were unpacked must have them configured first. What others installed while we
# waited for their lock did not come along with ours.
apt_install() { dpkg --configure -a && installed >"$stage/.before" && apt-get -qq -y -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"; }

# unlocked COMMAND...: a machine that upgrades itself, as fresh ones do at their first boot, holds the locks of apt and dpkg
# for minutes: they are waited for
PATIENCE=300
unlocked() {
  until "$@" >"$stage/.said" 2>&1; do
    grep -qE 'locked by another process|Could not get lock' "$stage/.said" && [ "$(date +%s)" -lt "$give_up" ] || { cat "$stage/.said"; holder; return 1; }
    sleep 1
  done
}
holder() {
  pid=$(sed -n 's/.*\(with pid\|held by process\) \([0-9][0-9]*\).*/\2/p' "$stage/.said" | head -n 1)
  [ -z "$pid" ] || echo "waited $PATIENCE s for process $pid: $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
}

# unpackages MANAGER NAME...: remove packages that we installed, with all that came along with them
w_unpackages() {
  manager=$1; shift; records=$*; set -- $(for p; do cat "$STATE/packages/$p" 2>/dev/null; echo "$p"; done | sort -u)
  give_up=$(($(date +%s) + PATIENCE))
  case $manager in
    apt-get) unlocked dpkg_purge "$@" ;;
    apk) apk del -q "$@" ;;
    zypper) zypper -n -q remove "$@" ;;
    *) "$manager" -y -q remove "$@" ;;
  esac </dev/null >"$stage/.packages.log" 2>&1 || { tail -n 20 "$stage/.packages.log" >&2; return 1; }
  for p in $records; do rm -f "$STATE/packages/$p" "$STATE/installing/$p"; done
}
# apt-get would take along whatever others have installed on top of ours since. What they need stays, and is theirs from now on.
dpkg_purge() {
  dpkg --purge --force-remove-reinstreq "$@" >"$stage/.purged" 2>&1 && return; cat "$stage/.purged"
  dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null | awk '$4 == "installed" {print $1, "install"}' | dpkg --set-selections
  failed=$(grep -c '^dpkg: error processing' "$stage/.purged") && [ "$failed" = "$(grep -c 'dependency problems - not removing' "$stage/.purged")" ]
}

# user NAME HOME: a system user that cannot log in, with a group of its name; dropuser removes one that we made. useradd writes four
# files one after the other: what it has not come to when the power went is made up for, and a user that is whole is left alone.
w_user() {
  free_accounts
  if ! account passwd "$1"; then
    shell=/usr/sbin/nologin; [ -x $shell ] || shell=/sbin/nologin; mkdir -p "$STATE/users"; : >"$STATE/users/$1"
    if command -v useradd >/dev/null 2>&1; then
      if account group "$1"; then set -- "$1" "$2" --gid "$1"; else set -- "$1" "$2" --user-group; fi
      name=$1 home=$2; shift 2; useradd --system "$@" --no-create-home --home-dir "$home" --shell $shell "$name"; set -- "$name"
    else account group "$1" || addgroup -S "$1"; adduser -S -D -H -h "$2" -s $shell -G "$1" "$1"; fi
  fi
  whole_group "$1" "$(grep "^$1:" /etc/passwd | cut -d: -f4)"
  whole_shadow shadow "$1" usermod "$1:!:::::::"
  whole_shadow gshadow "$1" groupmod "$1:!::"
}
account() { grep -q "^$2:" "/etc/$1"; }
numbered() { cut -d: -f3 /etc/group | grep -qx "$1"; }

# whole_group NAME GID: the group with the number that the user has, and that files of the user's may have, unless it is taken
whole_group() {
  if ! account group "$1"; then
    if command -v groupadd >/dev/null 2>&1; then if numbered "$2"; then groupadd --system "$1"; else groupadd --system --gid "$2" "$1"; fi
    elif numbered "$2"; then addgroup -S "$1"; else addgroup -S -g "$2" "$1"; fi
  fi
  # Not by usermod, which goes through the files in the user's home.
  if ! numbered "$2"; then gid=$(grep "^$1:" /etc/group | cut -d: -f3); rewrite /etc/passwd awk -F: -v OFS=: -v n="$1" -v g="$gid" '$1 == n {$4 = g} {print}'; fi
}
# whole_shadow FILE NAME TOOL LINE: an entry without a password, where the host has such a file
whole_shadow() {
  if [ ! -e "/etc/$1" ] || account "$1" "$2"; then return; fi
  if command -v "$3" >/dev/null 2>&1; then "$3" -p '!' "$2"; else rewrite "/etc/$1" with_line "$4"; fi
}
with_line() { cat; echo "$1"; }

# A useradd that was killed leaves its locks behind. The next one passes over them when no process has that number, but after a reboot
# some other has it, and a power cut may have emptied the lock: then nobody could ever be added again.
free_accounts() {
  for f in passwd group shadow gshadow subuid subgid; do
    if [ -e "/etc/$f.lock" ]; then
      pid=$(tr -cd 0-9 <"/etc/$f.lock")
      if ! locked_by "$pid" "/etc/$f.lock"; then rm -f "/etc/$f.lock" ${pid:+"/etc/$f.$pid"}; fi
    fi
  done
}
# locked_by PID LOCK: a process that is younger than the lock has not made it
locked_by() {
  if [ -z "$1" ] || [ ! -e "/proc/$1/stat" ]; then return 1; fi
  lived=$(awk -v up="$(cut -d ' ' -f 1 /proc/uptime)" '{sub(/.*\) /, ""); printf "%d", up - $20 / 100}' "/proc/$1/stat")
  [ $(($(date +%s) - $(stat -c %Y "$2"))) -le $((lived + 2)) ]
}

# Members that others have put into the group make it theirs; otherwise userdel takes it along, unless it was interrupted.
w_dropuser() {
  free_accounts
  if account passwd "$1"; then if command -v userdel >/dev/null 2>&1; then userdel "$1"; else deluser "$1"; fi; fi
  if grep -q "^$1:[^:]*:[^:]*:$" /etc/group; then if command -v groupdel >/dev/null 2>&1; then groupdel "$1"; else delgroup "$1"; fi; fi
  rm -f "$STATE/users/$1"
}

# swapoff: now, at the next boot (fstab) and for units systemd made itself; swapback undoes it
w_swapoff() {
  mkdir -p "$STATE/swap"
  systemctl list-units --plain --no-legend --type=swap 2>/dev/null | while read -r unit _; do no_swap_unit "$unit"; done
  swapoff -a
  if [ -e /etc/fstab ]; then rewrite /etc/fstab awk '$1 !~ /^#/ && $3 == "swap" {print "#hardway-swap# " $0; next} {print}'; fi
  systemctl daemon-reload
}
# A unit that somebody has written in /etc cannot be masked there, so it is disabled, and enabled again if it was.
no_swap_unit() {
  : >"$STATE/swap/$1"; if systemctl mask -q "$1" 2>/dev/null; then return; fi
  if systemctl is-enabled -q "$1" 2>/dev/null; then echo enabled >"$STATE/swap/$1"; systemctl disable -q "$1"; fi
}
w_swapback() {
  if grep -q '^#hardway-swap# ' /etc/fstab 2>/dev/null; then rewrite /etc/fstab sed 's/^#hardway-swap# //'; fi
  for unit in "$STATE"/swap/*; do if [ -s "$unit" ]; then systemctl enable -q "${unit##*/}"; elif [ -e "$unit" ]; then systemctl unmask -q "${unit##*/}"; fi; done; rm -rf "$STATE/swap"
  systemctl daemon-reload; swapon -a || :
}

# modprobe NAME: into effect now
w_modprobe() { PATH=$PATH:/usr/sbin:/sbin modprobe "$1"; }
# sysctl FILE: into effect now; what was there before is kept, and so is what kubelet and kube-proxy will set by themselves
SET_BY_NODES='kernel.panic kernel.panic_on_oops vm.overcommit_memory vm.panic_on_oom net.ipv4.conf.all.route_localnet
  net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_tcp_timeout_close_wait'
w_sysctl() {
  mkdir -p "$STATE/sysctl"
  { sed -n 's/^ *\([a-z][^= ]*\) *=.*/\1/p' "$1"; printf '%s\n' $SET_BY_NODES; } | while read -r key; do
    live=/proc/sys/$(echo "$key" | tr . /); if [ -e "$live" ] && [ ! -e "$STATE/sysctl/$key" ]; then cat "$live" >"$STATE/sysctl/$key"; fi
  done
  PATH=$PATH:/usr/sbin:/sbin sysctl -q -p "$1"
}
# unsysctl: the values that were there before us
w_unsysctl() { for f in "$STATE"/sysctl/*; do if [ -e "$f" ]; then cat "$f" >"/proc/sys/$(echo "${f##*/}" | tr . /)" || :; fi; done; rm -rf "$STATE/sysctl"; }

# systemd: `start` and `restart` take "wait" or "queue" (queue: do not block until the unit says it is ready)
w_reload() { systemctl daemon-reload; }
# enable: a masked unit is unmasked first; the plan has shown that
w_enable() { systemctl enable -q --no-reload "$@" 2>"$stage/.enable" || { systemctl unmask -q "$@" && systemctl enable -q --no-reload "$@"; }; }
w_start() { systemctl reset-failed "$1" 2>/dev/null || :; settled start "$1" "$2"; }
w_restart() { systemctl reset-failed "$1" 2>/dev/null || :; settled restart "$1" "$2"; }
# load: the unit loads its files and goes on serving
w_load() { settled reload-or-restart "$1" "$2"; }
# settled VERB UNIT wait|queue: a start may wait in systemd's queue, behind a boot that hangs: nobody waits for that for ever. It stays there.
SETTLING=240
settled() {
  if [ "$3" = queue ]; then systemctl "$1" --no-block "$2"; return; fi
  timeout $SETTLING systemctl "$1" "$2" || { code=$?; case $code in 124 | 143) systemctl list-jobs --no-legend >&2 || : ;; esac; return $code; }
}
# pause: in order, as at a shutdown, and to be started again
w_pause() { timeout 60 systemctl stop "$1"; }
# stop: for good; a service that does not end soon (an API server waits for open watches) is killed
w_stop() { systemctl disable -q "$1" 2>/dev/null || :; timeout 3 systemctl stop "$1" || { systemctl kill -s KILL "$1" 2>/dev/null || :; systemctl stop "$1" || ! systemctl is-active -q "$1"; }; systemctl reset-failed "$1" 2>/dev/null || :; }

# drill NAME UNIT...: stop on purpose what runs here. That it was on purpose is noted first, with the number of each unit's present
# run, so that a drill can be undone after a crash, and a unit that was started since counts as repaired. undrill starts them.
w_drill() {
  name=$1; shift; mkdir -p "$STATE"
  echo "$name $(date +%s)$(for unit; do printf ' %s=%s' "$unit" "$(systemctl show -p InvocationID --value "$unit")"; done)" >"$STATE/.drill"
  mv -f "$STATE/.drill" "$STATE/drill"
  for unit; do
    timeout 10 systemctl stop "$unit" || { systemctl kill -s KILL "$unit" 2>/dev/null || :; systemctl stop "$unit" || ! systemctl is-active -q "$unit"; }
    systemctl reset-failed "$unit" 2>/dev/null || :
  done
}
w_undrill() {
  for unit in $(cut -s -d ' ' -f 3- "$STATE/drill" 2>/dev/null); do w_start "${unit%%=*}" queue; done
  rm -f "$STATE/drill"
}
# poweroff: in order, and only after this script has ended
w_poweroff() { systemctl poweroff --no-block; }

# stamp UNIT DIGEST: which files a unit was started with; removed before such a file changes, so that a run
# that dies between the change and the restart is noticed by the next one
w_stamp() { in_state stamps; echo "$2" >"$STATE/stamps/$1"; }
w_unstamp() { [ ! -e "$STATE/stamps/$1" ] || rm -f "$STATE/stamps/$1"; }

# note NAME TEXT: what a later run must know of this one, also after a power cut; dropnote forgets it
w_note() { in_state notes; echo "$2" >"$STATE/notes/.$1"; on_disk "$STATE/notes/.$1"; mv -f "$STATE/notes/.$1" "$STATE/notes/$1"; on_disk "$STATE/notes"; }
w_dropnote() { rm -f "$STATE/notes/$1"; }

# aside ID: etcd's data is kept beside its place, and never deleted. restore ID SHA256 NAME PEER_URL MEMBERS TOKEN BUMP BLOB: a
# snapshot becomes the data of this member. That it is this restore's is written inside of it, so that both are there or neither.
w_aside() {
  etcd_ended; d=/var/lib/etcd; to=$d/before-$1; n=1
  while [ -e "$to/member" ] || [ -L "$to" ]; do n=$((n + 1)); to=$d/before-$1.$n; done
  mkdir -p "$to"; chmod 700 "$to"; mv "$d/member" "$to/member"
}
w_restore() {
  etcd_ended; d=/var/lib/etcd; new=$d/.restoring; rm -rf $new
  if [ -e $d/member ]; then echo "$d/member is there already" >&2; return 1; fi
  /usr/local/bin/etcdutl snapshot restore "$stage/$8" --data-dir $new --name "$3" --initial-advertise-peer-urls "$4" --initial-cluster "$5" \
    --initial-cluster-token "$6" --bump-revision "$7" --mark-compacted >"$stage/.restore" 2>&1 || { tail -n 20 "$stage/.restore" >&2; rm -rf $new; return 1; }
  rm -f "$stage/$8"; echo "$1 $2" >$new/member/restored; chown -R etcd:etcd $new
  if command -v restorecon >/dev/null 2>&1; then restorecon -R $new || :; fi
  sync; mv $new/member $d/member; rm -rf $new; sync
}
etcd_ended() {
  case $(systemctl show -p ActiveState --value etcd.service 2>/dev/null) in inactive | failed | "") ;; *) echo "etcd runs on this host: its data was left alone" >&2; return 1 ;; esac
}
# defrag: the member on this host gives back the space in its file that holds nothing; it answers nobody meanwhile
w_defrag() {
  pki=/etc/etcd/pki
  /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key \
    --dial-timeout=5s --command-timeout=600s defrag >"$stage/.defrag" 2>&1 || { grep -v '^{' "$stage/.defrag" >&2; return 1; }
}

# image REF BLOB: into containerd's k8s.io namespace, from which the kubelet removes nothing that is pinned when its disk is full: where no
# registry is, nobody could bring it back. pinimage REF: that alone. containerd keeps the label, also when it restarts.
PINNED=io.cri-containerd.pinned=pinned
# image REF BLOB: brought and pinned. What its name leads to since is noted: made on another computer, with another C library, it is another
# image and as good as ours.
w_image() {
  /usr/local/bin/ctr -n k8s.io images import --label $PINNED "$stage/$2" >/dev/null 2>"$stage/.ctr.log" || { cat "$stage/.ctr.log" >&2; return 1; }
  rm -f "$stage/$2"; of=images/$1; in_state "${of%/*}"
  for word in $(exec timeout 10 /usr/local/bin/ctr -n k8s.io images ls "name==$1" 2>/dev/null); do
    case $word in sha256:*) echo "$word" >"$STATE/$of" ;; esac
  done
}
w_pinimage() { /usr/local/bin/ctr -n k8s.io images label "$1" $PINNED >/dev/null; }
# dropimage REF: with its content, which an import would otherwise take to be there
w_dropimage() { /usr/local/bin/ctr -n k8s.io images rm --sync "$1" >/dev/null 2>&1 || :; }

# cluster NAME AUTHORITY [FORMER]: whose host this is, without which data that we make later would be taken for somebody else's;
# the first of two runs that know nothing of each other has it. FORMER is the authority in whose place this one has come.
w_cluster() {
  mkdir -p "$STATE"; whose=$(cat "$STATE/cluster" 2>/dev/null || :)
  case $whose in
    "" | "$1 $2" | "$1 ${3:-$2}") echo "$1 $2" >"$STATE/cluster"; on_disk "$STATE/cluster" ;;
    *) echo "this host belongs to cluster ${whose% *} with CA ${whose#* }; this run has CA $2" >&2; return 1 ;;
  esac
}

# cleanup KIND: what running pods leave behind
w_cleanup() {
  case $1 in
    pods)
      for pod in $(/usr/local/bin/ctr -n k8s.io tasks ls -q 2>/dev/null); do /usr/local/bin/ctr -n k8s.io tasks kill -s KILL "$pod" >/dev/null 2>&1 || :; done
      systemctl stop containerd.service || :
      for shim in /proc/[0-9]*; do case "$(tr '\0' ' ' <"$shim/cmdline" 2>/dev/null)" in /usr/local/bin/containerd-shim-runc-v2*) kill -KILL "${shim#/proc/}" 2>/dev/null || : ;; esac; done
      for task in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*; do [ -d "$task" ] && { umount "$task"/rootfs 2>/dev/null || :; rm -rf "$task"; }; done
      systemctl stop kubepods.slice 2>/dev/null || : ;;
    haproxy) # a mount point systemd made for Debian's unit, which the package leaves behind
      if ! command -v haproxy >/dev/null 2>&1; then rm -f /var/lib/haproxy/dev/log; rmdir /var/lib/haproxy/dev /var/lib/haproxy 2>/dev/null || :; fi ;;
    mounts)
      { below /var/lib/kubelet; below /var/lib/containerd; below /run/containerd; below /run/netns | grep '/cni-'; } | sort -r |
        while read -r m; do umount -l "$(printf %b "$m")"; done
      rm -f /run/netns/cni-* /var/run/netns/cni-* ;;
    runtime) w_rmtree /run/containerd ;;
    routes) ip -4 route flush proto 200 ;;
    cni) ip link del cni0 2>/dev/null || :; rm -rf /var/lib/cni /run/cni ;;
    iptables) for f in iptables ip6tables; do
        if command -v $f-save >/dev/null 2>&1; then
          $f-save 2>/dev/null | undo_rules >"$stage/.$f"; if [ -s "$stage/.$f" ]; then $f-restore -w --noflush <"$stage/.$f"; fi; fi; done
      if command -v nft >/dev/null 2>&1; then for f in ip ip6; do nft delete table $f kube-proxy 2>/dev/null || :; done; fi ;;
  esac
}

# forget: remove hardway's records
w_forget() { rm -rf "$STATE"; }
