# Everything hardway can do to a host. One function per op verb; $stage is a private folder with
# the content that came along. A foreign file is kept aside before it is replaced, and put back by `drop`.
STATE=/var/lib/hardway
umask 077
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

keep_aside() { # a file we have not written ourselves is saved once
  if [ -e "$STATE/ours$1" ]; then return; fi
  mkdir -p "$STATE/ours${1%/*}"
  if [ -e "$1" ] || [ -L "$1" ]; then mkdir -p "$STATE/before${1%/*}"; cp -a "$1" "$STATE/before$1"; fi
  : >"$STATE/ours$1"
}

# mkdir PATH MODE OWNER GROUP: that it was us who made it is noted first, so that a run that dies leaves no orphan
w_mkdir() {
  if [ ! -e "$1" ]; then mkdir -p "$STATE/dirs$1"; : >"$STATE/dirs$1/.made"; fi
  (umask 022; mkdir -p "$1"); chown "$3:$4" "$1"; chmod "$2" "$1"
}

# put PATH MODE OWNER GROUP BLOB: the content becomes visible in one rename, owner and mode already right
w_put() {
  keep_aside "$1"
  chown "$3:$4" "$stage/$5"; chmod "$2" "$stage/$5"
  mv -f "$stage/$5" "${1%/*}/.${1##*/}.hardway"; mv -f "${1%/*}/.${1##*/}.hardway" "$1"
}

# binary PATH MODE OWNER GROUP SHA256 BLOB: put, and record the digest so that it need not be computed again
w_binary() {
  w_put "$1" "$2" "$3" "$4" "$6"
  mkdir -p "$STATE/digests${1%/*}"; echo "$5 $(stat -c '%s %i %y %z' "$1")" >"$STATE/digests$1"
}

# own PATH MODE OWNER GROUP: metadata alone
w_own() { chown "$3:$4" "$1"; chmod "$2" "$1"; }

# drop PATH: remove our file and put back what stood there before; that is forgotten last, so it survives a reset that dies
w_drop() {
  [ -e "$STATE/ours$1" ] || return 0
  if [ -e "$STATE/before$1" ] || [ -L "$STATE/before$1" ]; then rm -f "$1.hardway"; cp -a "$STATE/before$1" "$1.hardway"; mv -f "$1.hardway" "$1"
  else rm -f "$1"; fi
  rm -f "$STATE/ours$1" "$STATE/digests$1"; rm -f "$STATE/before$1"
}

# rmdir PATH: a folder of ours, only when nothing is left in it; one still in use stays ours, for whichever phase empties it
w_rmdir() { rmdir "$1" 2>/dev/null || [ ! -e "$1" ] || return 0; rm -f "$STATE/dirs$1/.made"; }

# rmtree PATH: a folder that holds nothing but our own data
w_rmtree() { if [ -L "$1" ] || mountpoint -q "$1" 2>/dev/null; then find "$1/" -mindepth 1 -maxdepth 1 -exec rm -rf {} +; else rm -rf "$1"; fi; }

# block PATH MARK BLOB: our marked lines inside a file that belongs to the host; dropblock takes them out
w_block() { w_dropblock "$1" "$2"; cp -a "$1" "$1.hardway"; { [ -z "$(tail -c 1 "$1")" ] || echo; echo "# BEGIN $2"; cat "$stage/$3"; echo "# END $2"; } >>"$1.hardway"; mv -f "$1.hardway" "$1"; }
w_dropblock() { [ -e "$1" ] || { : >"$1"; chmod 644 "$1"; }; cp -a "$1" "$1.hardway"; sed "/^# BEGIN $2\$/,/^# END $2\$/d" "$1" >"$1.hardway"; mv -f "$1.hardway" "$1"; }

# packages MANAGER NAME...: install what is missing, without questions, and remember that it was us
w_packages() {
  manager=$1; shift; mkdir -p "$STATE/packages"; installed >"$stage/.before"; for p; do : >>"$STATE/packages/$p"; done
  case $manager in
    apt-get) apt_install "$@" || { apt-get -qq -o DPkg::Lock::Timeout=120 update && apt_install "$@"; } ;;
    apk) apk add -q "$@" ;;
    zypper) zypper -n -q install "$@" ;;
    *) "$manager" -y -q install "$@" ;;
  esac </dev/null >"$stage/.packages.log" 2>&1 || { tail -n 20 "$stage/.packages.log" >&2; return 1; }
  for p; do installed | grep -vxFf "$stage/.before" >>"$STATE/packages/$p" || :; done
}
installed() { if command -v dpkg-query >/dev/null 2>&1; then dpkg-query -W -f '${Package}\n'; elif command -v rpm >/dev/null 2>&1; then rpm -qa --qf '%{NAME}\n'; else apk info 2>/dev/null || :; fi; }
# A machine that lost power while packages were unpacked must have them configured first.
apt_install() { dpkg --configure -a && apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"; }

# unpackages MANAGER NAME...: remove packages that we installed, with all that came along with them
w_unpackages() {
  manager=$1; shift; records=$*; set -- $(for p; do cat "$STATE/packages/$p"; echo "$p"; done | sort -u)
  case $manager in
    apt-get) apt-get -qq -y -o DPkg::Lock::Timeout=120 purge "$@" ;;
    apk) apk del -q "$@" ;;
    zypper) zypper -n -q remove "$@" ;;
    *) "$manager" -y -q remove "$@" ;;
  esac </dev/null >"$stage/.packages.log" 2>&1 || { tail -n 20 "$stage/.packages.log" >&2; return 1; }
  for p in $records; do rm -f "$STATE/packages/$p"; done
}

# user NAME HOME: a system user that cannot log in; dropuser removes one that we made
w_user() {
  shell=/usr/sbin/nologin; [ -x $shell ] || shell=/sbin/nologin; mkdir -p "$STATE/users"; : >"$STATE/users/$1"
  if command -v useradd >/dev/null 2>&1; then useradd --system --user-group --no-create-home --home-dir "$2" --shell $shell "$1"
  else addgroup -S "$1" && adduser -S -D -H -h "$2" -s $shell -G "$1" "$1"; fi
}
w_dropuser() { if command -v userdel >/dev/null 2>&1; then userdel "$1"; else deluser "$1"; fi; rm -f "$STATE/users/$1"; }

# swapoff: now, at the next boot (fstab) and for units systemd made itself; swapback undoes it
w_swapoff() {
  mkdir -p "$STATE/swap"
  systemctl list-units --plain --no-legend --type=swap 2>/dev/null | while read -r unit _; do systemctl mask -q "$unit"; : >"$STATE/swap/$unit"; done
  swapoff -a
  if [ -e /etc/fstab ]; then cp -a /etc/fstab /etc/fstab.hardway; awk '$1 !~ /^#/ && $3 == "swap" {print "#hardway-swap# " $0; next} {print}' /etc/fstab >/etc/fstab.hardway; mv -f /etc/fstab.hardway /etc/fstab; fi
  systemctl daemon-reload
}
w_swapback() {
  if grep -q '^#hardway-swap# ' /etc/fstab 2>/dev/null; then sed -i 's/^#hardway-swap# //' /etc/fstab; fi
  for unit in "$STATE"/swap/*; do if [ -e "$unit" ]; then systemctl unmask -q "${unit##*/}"; fi; done; rm -rf "$STATE/swap"
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
w_enable() { systemctl enable -q --no-reload "$@"; }
w_start() { systemctl reset-failed "$1" 2>/dev/null || :; if [ "$2" = queue ]; then systemctl start --no-block "$1"; else systemctl start "$1"; fi; }
w_restart() { systemctl reset-failed "$1" 2>/dev/null || :; if [ "$2" = queue ]; then systemctl restart --no-block "$1"; else systemctl restart "$1"; fi; }
# stop: for good; a service that does not end soon (an API server waits for open watches) is killed
w_stop() { systemctl disable -q "$1" 2>/dev/null || :; timeout 3 systemctl stop "$1" || { systemctl kill -s KILL "$1" 2>/dev/null || :; systemctl stop "$1" || ! systemctl is-active -q "$1"; }; systemctl reset-failed "$1" 2>/dev/null || :; }

# drill NAME UNIT...: stop on purpose what runs here. That it was on purpose is noted first, with the number of each unit's present
# run, so that a crash leaves nothing that cannot be mended, and a unit that has been started since counts as mended. undrill mends.
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
# poweroff: in order, and only after we have gone
w_poweroff() { systemctl poweroff --no-block; }

# stamp UNIT DIGEST: which files a unit was started with; taken away before such a file changes, so that a run
# that dies between the change and the restart is noticed by the next one
w_stamp() { mkdir -p "$STATE/stamps"; echo "$2" >"$STATE/stamps/$1"; }
w_unstamp() { rm -f "$STATE/stamps/$1"; }

# image REF BLOB: into containerd's k8s.io namespace
w_image() { /usr/local/bin/ctr -n k8s.io images import "$stage/$2" >/dev/null 2>"$stage/.ctr.log" || { cat "$stage/.ctr.log" >&2; return 1; }; rm -f "$stage/$2"; }
w_dropimage() { /usr/local/bin/ctr -n k8s.io images rm "$1" >/dev/null 2>&1 || :; }

# cluster NAME AUTHORITY: whose host this is
w_cluster() { mkdir -p "$STATE"; echo "$1 $2" >"$STATE/cluster"; }

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
      awk '$2 ~ "^/(var/lib/kubelet/|run/containerd/|run/netns/cni-|var/run/netns/cni-|var/lib/containerd/)" {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
      rm -f /run/netns/cni-* /var/run/netns/cni-* ;;
    runtime) rm -rf /run/containerd ;;
    cni) ip link del cni0 2>/dev/null || :; rm -rf /var/lib/cni /run/cni ;;
    iptables) for f in iptables ip6tables; do
        if command -v $f-save >/dev/null 2>&1 && $f-save 2>/dev/null | grep -qE 'KUBE-|CNI-|hardway-masq'; then
          $f-save | grep -vE 'KUBE-|CNI-|hardway-masq' >"$stage/.$f"; $f-restore <"$stage/.$f"; fi; done
      if command -v nft >/dev/null 2>&1; then for f in ip ip6; do nft delete table $f kube-proxy 2>/dev/null || :; done; fi ;;
  esac
}

# forget: the last trace of us
w_forget() { rm -rf "$STATE"; }
