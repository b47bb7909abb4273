# Questions hardway asks a host. Nothing here writes. One function per probe verb; plain POSIX sh
# with coreutils or busybox, so a minimal Debian, dash and busybox all answer alike.
STATE=/var/lib/hardway
export LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=

# file PATH WANT KIND: what is at PATH. The content follows (base64) when its sha256 is not WANT and KIND is "text".
# A link to a folder is as good as a folder (KIND "dir"): data is often kept on another disk.
q_file() {
  if [ -L "$1" ] && ! { [ "$3" = dir ] && [ -d "$1" ]; }; then echo "link $(readlink "$1")"; return; fi
  if [ -d "$1" ]; then echo "dir $(stat -L -c '%a %U %G' "$1")"; return; fi
  if [ ! -e "$1" ]; then echo absent; return; fi
  sum=$(sha256sum <"$1"); sum=${sum%% *}
  echo "file $(stat -c '%a %U %G %s' "$1") $sum"
  if [ "$sum" != "$2" ] && [ "$3" = text ] && [ "$(stat -c %s "$1")" -le 65536 ]; then base64 <"$1"; fi
}

# binary PATH: like file, but a digest recorded when we wrote it is believed while size, inode and times are unchanged.
q_binary() {
  if [ ! -f "$1" ]; then echo absent; return; fi
  sig=$(stat -c '%s %i %y %z' "$1"); rec=$(cat "$STATE/digests$1" 2>/dev/null || :)
  if [ -n "$rec" ] && [ "${rec#* }" = "$sig" ]; then sum=${rec%% *}; else sum=$(sha256sum <"$1"); sum=${sum%% *}; fi
  echo "file $(stat -c '%a %U %G %s' "$1") $sum"
}

# hash PATH: the sha256 of a file as it is now, no record believed.
q_hash() { if [ -f "$1" ]; then sum=$(sha256sum <"$1"); echo "${sum%% *}"; else echo absent; fi; }

# certificates PATH: those in a file: PEM as it is, what a kubeconfig holds in base64 after "client" or "ca". Never a key.
q_certificates() {
  if [ ! -e "$1" ]; then echo absent; return; fi
  awk '/^-----BEGIN/ {on = /^-----BEGIN CERTIFICATE-----/} on {print} /^-----END/ {on = 0}
    sub(/^ *client-certificate-data: */, "client ") || sub(/^ *certificate-authority-data: */, "ca ") {print}' "$1"
}

# unit NAME: systemd's view of it, what its start waits for, and the digest of the files it was last started with. systemd remembers
# that a unit was enabled until it is reloaded; what counts at the next boot is the link.
q_unit() {
  said=$(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload -p NRestarts -p Result -p Job -p InvocationID -p MainPID -p CPUUsageNSec -p ExecStart "$1" 2>/dev/null || :)
  echo "$said"
  case $said in *MainPID=[1-9]*) rest=${said#*MainPID=}; if other_flags "${rest%%[!0-9]*}" "$said"; then echo Flags=other; fi ;; esac
  case $said in *ActiveState=active*) ;; *Job=[1-9]*) awaited "$1" ;; esac
  case $said in *UnitFileState=enabled*) linked "$1" || echo UnitFileState=disabled ;; esac
  echo "Stamp=$(cat "$STATE/stamps/$1" 2>/dev/null || :)"
}

# awaited UNIT: "Waits=UNIT KIND STATE SECONDS" of the job behind which its own is in systemd's queue.
awaited() { set -- "$1" $(jobs_before "$1"); case ${3:-$1} in "$1") ;; *) shift 2; printf 'Waits=%s\n' "$*" ;; esac; }
# jobs_before UNIT: how many jobs are in systemd's queue, and UNIT KIND STATE SECONDS of the one for which UNIT's waits in the end: one that
# runs, if there is any. Without a UNIT the first that runs. (What stands beneath a job in systemctl's list are those before it.)
jobs_before() {
  set -- $(systemctl list-jobs --no-legend --full --before 2>/dev/null | awk -v unit="${1:-}" '
    $1 ~ /^[0-9]+$/ { j = $1; n++; name[j] = $2; kind[j] = $3; state[j] = $4; if ($2 == unit) last = j; if ($4 == "running" && !first) first = j; next }
    match($0, /job [0-9]+ \(/) { before[j] = before[j] " " substr($0, RSTART + 4, RLENGTH - 6) }
    END {
      if (unit == "") last = first
      todo = last
      while (todo != "") {
        split(todo, t, " "); at = t[1]; sub(/^ *[0-9]+ */, "", todo)
        if (seen[at]++ || !(at in name)) continue
        last = at; if (state[at] == "running") break
        todo = todo before[at]; sub(/^ */, "", todo)
      }
      if (last) print n, name[last], kind[last], state[last]
    }')
  if [ $# -gt 0 ]; then printf '%s %s\n' "$*" "$(job_age "$2" "$3")"; fi
}
# job_age UNIT KIND: for how many seconds it has been starting, or stopping.
job_age() {
  case $2 in *start) when=InactiveExitTimestampMonotonic ;; *) when=ActiveExitTimestampMonotonic ;; esac
  awk -v since="$(systemctl show -p $when --value "$1" 2>/dev/null)" '{ if (0 < since) printf "%d", $1 - since / 1000000 }' /proc/uptime
}

# other_flags PID SAID: whether a process was started otherwise than systemd now says of its unit. What is quoted there, or filled in
# only when it starts, cannot be compared; a process that has only just been forked does not have its own words yet.
other_flags() {
  runs=$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null || :); runs=${runs% }  # of a script its interpreter comes first
  case $2 in *"argv[]=$runs ;"* | *"argv[]=${runs#* } ;"* | *[\"\'\\\$]*) return 1 ;; esac
  old=$(seconds_of "$1"); [ -n "$runs" ] && [ "${old:-0}" -ge 2 ]
}

linked() {
  for link in /etc/systemd/system/*.wants/"$1"; do case $(readlink "$link" 2>/dev/null) in */"$1") if [ -e "$link" ]; then return 0; fi ;; esac; done
  return 1
}

# journal NAME LINES: the unit's last journal lines.
q_journal() { journalctl --no-pager -q -o cat -n "$2" -u "$1" 2>/dev/null || :; }

# entries SOURCE NAME SINCE LINES: a unit's journal, an entry a line as JSON, or the log files of pods whose folder begins with NAME;
# SINCE as journalctl takes it and LINES may be empty. following: the same, and what comes.
q_entries() {
  case $1 in
    unit) journalctl --no-pager -q -a -o json ${3:+--since "$3"} ${4:+-n "$4"} -u "$2" 2>&1 ;;
    pod) for f in /var/log/pods/"$2"*/*/*.log; do if [ -e "$f" ]; then tail -n "${4:-+1}" "$f"; fi; done ;;
  esac || :
}
q_following() {
  case $1 in
    unit) exec journalctl --no-pager -q -a -o json -f ${3:+--since "$3"} -n "${4:-all}" -u "$2" 2>&1 ;;
    pod) set -- "${4:-+1}" /var/log/pods/"$2"*/*/*.log; [ -e "$2" ] || return 0; lines=$1; shift; exec tail -q -n "$lines" -F "$@" 2>/dev/null ;;
  esac
}

# version NAME: of the program a unit runs now, which may be older than the file it was started from.
q_version() {
  pid=$(systemctl show -p MainPID --value "$1" 2>/dev/null)
  if [ "${pid:-0}" -gt 0 ]; then timeout 5 "/proc/$pid/exe" --version 2>&1 </dev/null | grep -m 1 -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1; fi || :
}

# settings: the files with kubelet settings of the user's own, NAME BASE64 a line.
q_settings() { for f in /etc/kubernetes/kubelet.conf.d/*.conf; do if [ -f "$f" ]; then echo "$f $(base64 <"$f" | tr -d '\n')"; fi; done; }

# deprecated LINES: the last calls of deprecated APIs that the audit log of the API server on this host has, an event a line as JSON.
q_deprecated() { grep -h '"k8s.io/removed-release"' /var/log/kubernetes/audit/audit.log 2>/dev/null | tail -n "$1" || :; }

# lived NAME: seconds since the program that a unit runs now was started.
q_lived() {
  pid=$(systemctl show -p MainPID --value "$1" 2>/dev/null)
  if [ "${pid:-0}" -gt 0 ]; then seconds_of "$pid"; fi || :
}
seconds_of() { awk -v up="$(cut -d ' ' -f 1 /proc/uptime)" '{sub(/.*\) /, ""); printf "%d ", up - $20 / 100}' "/proc/$1/stat" 2>/dev/null; }

# changed PATH: seconds since a file came to its place.
q_changed() { if [ -e "$1" ]; then echo $(($(date +%s) - $(stat -c %Z "$1"))); fi; }

# age: seconds since the first process of this machine began, and the load.
q_age() { seconds_of 1; cut -d ' ' -f 1-3 /proc/loadavg; }

# etcd: what the member on this host says of itself, as JSON.
q_etcd() {
  pki=/etc/etcd/pki
  /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key \
    --dial-timeout=2s --command-timeout=3s -w json endpoint status 2>/dev/null || :
}

# note NAME: what hardway has written down on this host about its own doings, or absent.
q_note() { cat "$STATE/notes/$1" 2>/dev/null || echo absent; }

# restored: which restore etcd's data here comes from (its ID and the snapshot's sha256); own for data that grew here, or absent.
q_restored() { d=/var/lib/etcd/member; if [ -e $d/restored ]; then cat $d/restored; elif [ -e $d ]; then echo own; else echo absent; fi; }

# database ID: the sha256 of a stopped member's database, then the database in base64; where the restore ID has moved it aside, from there.
q_database() {
  f=/var/lib/etcd/before-$1/member/snap/db; [ -e "$f" ] || f=/var/lib/etcd/member/snap/db; [ -e "$f" ] || return 0
  sum=$(sha256sum <"$f"); echo "${sum%% *}"; base64 <"$f" | tr -d '\n' | fold -w 8192; echo
}

# block PATH MARK: the text between our two marker lines.
q_block() { [ -e "$1" ] && sed -n "/^# BEGIN $2\$/,/^# END $2\$/p" "$1" | sed '1d;$d' | base64; :; }

# sysctl KEY: its live value.
q_sysctl() { cat "/proc/sys/$(echo "$1" | tr . /)" 2>/dev/null || echo absent; }

# module NAME: loaded, built in, or absent.
q_module() {
  if grep -q "^$1 " /proc/modules 2>/dev/null || [ -d "/sys/module/$1" ]; then echo loaded
  elif grep -q "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null; then echo builtin
  else echo absent; fi
}

# swap: what is in use now, and what would come back at the next boot.
q_swap() {
  sed 1d /proc/swaps 2>/dev/null | while read -r dev _; do echo "active $dev"; done
  [ -e /etc/fstab ] && awk '$1 !~ /^#/ && $3 == "swap" {print "fstab " $1}' /etc/fstab
  systemctl list-units --plain --no-legend --type=swap 2>/dev/null | while read -r unit _; do echo "unit $unit"; done
}

# tool NAME: where a program is, or absent.
q_tool() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" || echo absent; }

# library NAME: whether the dynamic linker knows a shared library.
q_library() { if { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q "$1" || ls /lib/*/"$1"* /usr/lib/*/"$1"* /usr/lib64/"$1"* /lib/"$1"* >/dev/null 2>&1; then echo present; else echo absent; fi; }

# user NAME: uid:gid:shell, or absent. What an interrupted useradd or userdel left undone follows: what is missing of the user,
# or which group is left of one that is absent. A primary group of another name is somebody's choice; a number without a group is not.
q_user() {
  if ! grep -q "^$1:" /etc/passwd; then echo absent; if grep -q "^$1:" /etc/group; then echo "left group"; fi; return; fi
  grep "^$1:" /etc/passwd | cut -d: -f3,4,7
  for f in group shadow gshadow; do if [ -r "/etc/$f" ] && ! grep -q "^$1:" "/etc/$f"; then echo "missing $f"; fi; done
  gid=$(grep "^$1:" /etc/passwd | cut -d: -f4); if ! cut -d: -f3 /etc/group | grep -qx "$gid"; then echo "missing gid $gid"; fi
}

# ours KIND NAME: whether hardway itself put a file (ours), folder (dirs), package or user here.
q_ours() { if [ -e "$STATE/$1/$2" ]; then echo yes; else echo no; fi; }

# package NAME: whole, absent, or half and dpkg's letters for how far it had come. Other managers do not tell: absent.
q_package() {
  case $(dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | head -n 1) in
    ?i\ *) echo whole ;;
    ?[UFHWt]* | ??R*) echo "half $(dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" | head -n 1)" ;;
    *) echo absent ;;
  esac
}

# image REF: whether containerd's k8s.io namespace holds it: present, unpinned (the kubelet would remove it from a full disk), absent, or
# half and what ctr says. An import that was interrupted leaves its name with content that is missing, or not unpacked.
q_image() {
  ctr=/usr/local/bin/ctr; said=
  if [ -x $ctr ] && [ -S /run/containerd/containerd.sock ]; then said=$(timeout 10 $ctr -n k8s.io images check "name==$1" 2>/dev/null | awk -v r="$1" '$1 == r {print $4, $NF}'); fi
  case $said in "") echo absent ;; "complete true") if unpinned "$1"; then echo unpinned; else echo present; fi ;; *) echo "half $said" ;; esac
}

unpinned() { case $(timeout 10 $ctr -n k8s.io images ls "name==$1" 2>/dev/null) in *io.cri-containerd.pinned=pinned*) return 1 ;; *"$1"*) ;; *) return 1 ;; esac; }

# addresses: those of this host, each with its interface.
q_addresses() { ip -4 -o addr show 2>/dev/null | awk '{sub("/.*","",$4); printf "%s=%s ", $4, $2}'; }

# routes: the main table's routes with a gateway, one a line.
q_routes() { ip -4 route show 2>/dev/null | awk '$2 == "via" {print $1, $3}'; }

# ports: on which somebody listens, as hexadecimal numbers.
q_ports() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" {n=split($2,a,":"); print a[n]}' | sort -u | tr '\n' ' '; }

# listening PORT...: take connections on these ports and do nothing with them, until this ends; a line for each that can be taken.
q_listening() {
  if ! command -v systemd-socket-activate >/dev/null; then return 0; fi
  exec timeout 20 systemd-socket-activate --accept $(for p; do printf ' -l 0.0.0.0:%s' "$p"; done) true 2>&1
}

# leftover KIND: traces of running pods that only their own cleanup removes.
q_leftover() {
  case $1 in
    pods) { ls -d /run/containerd/io.containerd.runtime.v2.task/k8s.io/* 2>/dev/null; systemctl list-units --no-legend --plain kubepods.slice 2>/dev/null; } | wc -l ;;
    haproxy) if [ -e "$STATE/packages/haproxy" ]; then ls -d /var/lib/haproxy/dev/log 2>/dev/null; fi | wc -l ;;
    mounts) { below /var/lib/kubelet; below /var/lib/containerd; below /run/containerd; below /run/netns | grep '/cni-'; } | wc -l ;;
    cni) ls -d /sys/class/net/cni0 /var/lib/cni /run/cni 2>/dev/null | wc -l ;;
    runtime) ls -d /run/containerd 2>/dev/null | wc -l ;;
    routes) ip -4 route show proto 200 2>/dev/null | wc -l ;;
    iptables) { iptables-save | undo_rules; ip6tables-save | undo_rules; nft list tables; } 2>/dev/null | grep -cE '^-[DX] |^table ip6? kube-proxy$' ;;
  esac || :
}

# space PATH...: each file system that holds one of them: mount point, used percent, free KB, used percent of its inodes.
q_space() { for p; do [ -e "$p" ] && echo "$(df -Pk "$p" | awk 'NR == 2 {print $6, $5, $4}') $(df -Pi "$p" | awk 'NR == 2 {print $5}')"; done 2>/dev/null | sort -u; }
# drill: its name and beginning, and for each unit it stopped whether it has been started since.
q_drill() {
  if [ ! -e "$STATE/drill" ]; then return; fi
  set -- $(cat "$STATE/drill"); printf '%s %s' "$1" "$2"; shift 2
  for unit; do
    case $(systemctl show -p ActiveState -p Job "${unit%%=*}") in *ActiveState=activ*|*=reloading*|*Job=[1-9]*) now=running ;; *) now=stopped ;; esac
    run=$(systemctl show -p InvocationID --value "${unit%%=*}")
    if [ -n "$run" ] && [ "$run" != "${unit#*=}" ]; then now=running; fi
    printf ' %s=%s' "${unit%%=*}" "$now"
  done; echo
}

# lease: the run that holds this host's lease (see lease.sh): how many seconds ago it last gave a sign of life, and what it says of
# itself; nothing where there is none.
q_lease() {
  f=/run/hardway.lease; pid=; beat=; if [ -s $f ]; then read -r pid beat <$f || :; fi
  if [ -n "$beat" ] && [ "$(readlink "/proc/$pid/fd/9")" = $f ]; then printf '%s %s\n' $(($(date +%s) - $(stat -c %Y $f))) "$beat"; fi
}

# containers: those that run, one a line.
q_containers() { timeout 10 /usr/local/bin/ctr -n k8s.io tasks ls 2>/dev/null | awk '$3 == "RUNNING" {print $1}' || :; }

# look WHAT: what the host's own tools tell somebody who was not there.
q_look() {
  PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
  case $1 in
    system) uname -a; cat /etc/os-release; uptime; date ;;
    memory) free -m || cat /proc/meminfo ;;
    disks) df -h; df -i ;;
    mounts) cat /proc/mounts ;;
    addresses) ip addr ;;
    routes) ip route show table all ;;
    ports) ss -ltnp ;;
    rules) iptables-save; ip6tables-save ;;
    rule-counts) echo "iptables: $(iptables-save 2>/dev/null | grep -c '^-A')"; echo "nft: $(nft list ruleset 2>/dev/null | wc -l)" ;;
    all-units) systemctl list-units --all --plain --no-legend --type=service,swap,mount; systemctl list-units --failed --plain --no-legend ;;
    containers) crictl pods; crictl ps -a ;;
    images) ctr -n k8s.io images ls ;;
    kernel) lsmod; sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables ;;
  esac 2>&1 | head -c 1000000
}

# exists PATH: yes or no, for things that are removed as a whole.
q_exists() { if [ -e "$1" ] || [ -L "$1" ]; then echo yes; else echo no; fi; }

# s_flags FOLDER: for each of these units in it its name, and those of its flags by which it finds what it stored or what it announces.
s_flags() {
  for c in etcd kube-apiserver kubelet containerd; do
    if [ -e "$1/$c.service" ]; then
      printf '%s= ' $c
      sed -nE "s/^ *--(advertise-address|etcd-prefix|root|root-dir|secure-port|state|wal-dir)=([^ ]*).*\$/$c.\1=\2/p" "$1/$c.service" | tr '\n' ' '
    fi
  done
}
# s_providers FILE: those of an encryption configuration in their order, a key as KIND:NAME=DIGEST, and what else than Secrets it is for.
# Whoever wrote it may have written it by hand, so what is not understood is told too.
s_providers() {
  sed -n "s/[\"']//g; s/^ *- *\([a-z0-9]*\): *{* *}* *\$/kind \1/p; s/^ *-* *name: *\([^ ]*\).*/name \1/p; s/^ *-* *secret: *\([^ ]*\).*/secret \1/p; s/^ *- *\([^ :]*\) *\$/for \1/p" "$1" |
    while read -r what word; do
      case $what,$word in
        kind,resources | for,secrets) ;;
        kind,aes* | kind,secretbox) kind=$word ;;
        kind,*) kind=; echo "$word" ;;
        name,*) name=$word ;;
        secret,*) sum=$(printf %s "$word" | base64 -d 2>/dev/null | sha256sum); echo "$kind:$name=$(printf %.16s "$sum")" ;;
        for,*) echo "resources:$word" ;;
      esac
    done
}

# s_lives: what a host of ours lives by now, from the files that are there; names of encryption keys, never their bytes.
s_lives() {
  u=/etc/systemd/system; b=/usr/local/bin
  if [ -x $b/etcd ]; then echo "etcd=$(timeout 5 $b/etcd --version 2>/dev/null | sed -n 's/^etcd Version: //p')"; fi
  if [ -x $b/containerd ]; then echo "containerd=$(timeout 5 $b/containerd --version 2>/dev/null | awk '{sub("^v", "", $3); print $3}')"; fi
  echo "peer_url=$(sed -n 's/^.*--initial-advertise-peer-urls=\([^ ]*\).*$/\1/p' $u/etcd.service 2>/dev/null)"
  echo "pod_block=$(sed -n 's/^.*"subnet": *"\([^"]*\)".*$/\1/p' /etc/cni/net.d/10-bridge.conflist 2>/dev/null | head -n 1)"
  echo "kubelet_cert=$(sed -n '/^-----END/q; /^-----/d; p' /var/lib/kubelet/pki/kubelet.crt 2>/dev/null | tr -d '\n')"
  echo "routes=$(sed -n 's/^.*ip route replace \([0-9][^ ]*\) via \([^ ]*\) .*$/\1=\2/p; s/^ *route \([0-9][^ ]*\) via \([^ ]*\)$/\1=\2/p' $u/pod-routes.service $b/pod-routes 2>/dev/null | tr '\n' ' ')"
  echo "flags=$(s_flags $u)"
  echo "reserved=$(sed -n '/^systemReserved:/,/^[^ ]/s/^  \([a-z-]*\): *"*\([^" ]*\)"* *$/\1=\2/p' /var/lib/kubelet/config.yaml 2>/dev/null | tr '\n' ' ')"
  f=/etc/kubernetes/encryption-config.yaml
  if [ -e $f ]; then echo "encryption=$(sum=$(sha256sum <$f); echo "${sum%% *}")"; echo "providers=$(s_providers $f | tr '\n' ' ')"; fi
  for f in service-cluster-ip-range=service_cidr service-account-issuer=issuer; do echo "${f#*=}=$(sed -n "s/^.*--${f%=*}=\([^ ]*\).*$/\1/p" $u/kube-apiserver.service 2>/dev/null | head -n 1)"; done
  echo "pod_cidr=$(sed -n 's/^.*--cluster-cidr=\([^ ]*\).*$/\1/p' $u/kube-controller-manager.service 2>/dev/null)"
  if joined; then echo "joined=yes"; fi
  k=/etc/kubernetes/pki; if [ -e $k/ca.key ]; then echo "signs=yes"; fi
  echo "trusts=$(s_trusts $k/ca.crt $k/front-proxy-ca.crt $k/etcd/ca.crt $k/sa.pub /etc/etcd/pki/ca.crt)"
  s_roads
}
# s_trusts FILE...: of each certificate, or public key, in files that list whom a program trusts: the file, "=" and the digest.
s_trusts() {
  for f in "$@"; do
    if [ -e "$f" ]; then awk '/^-----BEGIN/ {b = ""; on = 1; next} /^-----END/ {if (on) print b; on = 0} on {b = b $0}' "$f"; fi |
      while read -r b; do sum=$(printf %s "$b" | base64 -d 2>/dev/null | sha256sum); printf '%s=%.16s ' "$f" "$sum"; done
  done
}
# joined: whether a cluster that lives has ever given this kubelet something. A kubelet alone makes neither a pod nor a certificate: it
# copies that of its kubeconfig to where it keeps those which the API signs for it, so one that is not the same was signed.
joined() {
  k=/var/lib/kubelet; if [ -n "$(ls -A $k/pods 2>/dev/null)" ]; then return 0; fi
  line=$(sed -n 's/^ *client-certificate-data: *//p' /etc/kubernetes/kubelet.conf 2>/dev/null | base64 -d 2>/dev/null | sed -n 2p)
  [ -n "$line" ] && [ -e $k/pki/kubelet-client-current.pem ] && ! grep -qxF -e "$line" $k/pki/kubelet-client-current.pem
}
# s_roads: by which addresses clients on this host come to the API, what its load balancer keeps open for them, and the components that
# hardway installed. A client without the stamp of its last start may still run with an older kubeconfig.
s_roads() {
  k=/etc/kubernetes; h=/etc/haproxy/haproxy.cfg; v=/etc/keepalived/keepalived.conf
  echo "servers=$(sed -n 's/^ *server: *//p' $k/kubelet.conf $k/kube-proxy.conf $k/admin.conf 2>/dev/null | sort -u | tr '\n' ' ')"
  echo "unsettled=$(for c in kubelet kube-proxy; do if [ -e $k/$c.conf ] && [ ! -e $STATE/stamps/$c.service ]; then echo yes; break; fi; done)"
  echo "components=$(for f in $STATE/ours$u/*.service $STATE/ours$h $STATE/ours$v; do if [ -e "$f" ]; then f=${f##*/}; printf '%s ' "${f%.*}"; fi; done)"
  if [ -e $STATE/ours$h ]; then echo "bound=$(sed -n 's/^ *bind :\([0-9]*\).*$/\1/p' $h 2>/dev/null | tr '\n' ' ')"; fi
  if [ -e $STATE/ours$v ]; then echo "shared=$(inside virtual_ipaddress $v)"; echo "peers=$(inside unicast_peer $v)"; echo "sender=$(sed -n 's/^ *unicast_src_ip *//p' $v 2>/dev/null | head -n 1)"; fi
}
# inside BLOCK FILE: the addresses in the blocks of this name in keepalived's configuration.
inside() { awk -v b="$1" '$1 == b {i = 1; next} /}/ {i = 0} i {sub("/.*", "", $1); printf "%s ", $1}' "$2" 2>/dev/null; }
# s_beside ROOT: what others left where our programs read it, or run into it (see hardway.leftovers); a space in a name becomes "?".
s_beside() {
  echo "drop_ins=$(s_drop_ins "$1" | tr '\n' ' ')"
  echo "cni=$(for f in "$1"/etc/cni/net.d/*.conf "$1"/etc/cni/net.d/*.conflist "$1"/etc/cni/net.d/*.json; do case ${f##*/} in 10-bridge.conflist) ;; *) [ ! -e "$f" ] || named "${f##*/}" ;; esac; done)"
  echo "static_pods=$(for f in "$1"/etc/kubernetes/manifests/*; do [ ! -f "$f" ] || named "${f##*/}"; done)"
  echo "bridge=$(s_bridge "$1/sys/class/net/cni0")"
  echo "resolver=$(s_resolver "$1/etc/resolv.conf")"
  echo "half_packages=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 ~ /^.[UFHWt]|^..R/ {printf "%s ", $2}')"
  echo "folders=$(for d in /usr/local /usr/local/bin /opt/cni /var/lib /var/lib/etcd /var/lib/containerd /var/lib/kubelet; do s_folder "$1$d" "$d"; done)"
}
named() { printf '%s ' "$(printf %s "$1" | tr ' \t\n' '???')"; }
# s_drop_ins ROOT: UNIT=PATH=KEYS for each file that changes a unit of ours, one a line; also by the beginning of its name, as systemd
# reads them. What the distribution says of all services together is its own matter.
s_drop_ins() {
  for unit in etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy pod-routes haproxy keepalived; do
    dirs=$unit.service.d; p=$unit; while case $p in *-*) true ;; *) false ;; esac; do p=${p%-*}; dirs="$dirs $p-.service.d"; done
    for base in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system; do
      all=; [ $base != /etc/systemd/system ] || all=service.d
      for d in $dirs $all; do
        for f in "$1$base/$d"/*.conf; do if [ -f "$f" ]; then echo "$unit=$(named "${f#"$1"}" | tr -d ' ')=$(s_keys "$f")"; fi; done
      done
    done
  done
}
# s_keys FILE: the names of the settings in a part of a unit, with commas between; of variables each by its own name.
s_keys() {
  awk -F= '/^[ \t]*[A-Za-z]+[ \t]*=/ {
    k = $1; gsub(/[ \t]/, "", k); sub(/^[^=]*=/, "")
    if (k != "Environment") { printf "%s,", k; next }
    gsub(/["\047]/, ""); n = split($0, words, /[ \t]+/)
    for (i = 1; i <= n; i++) if (words[i] ~ /=/) { sub(/=.*/, "", words[i]); printf "%s:%s,", k, words[i] }
  }' "$1"
}
# s_bridge INTERFACE: the addresses of the bridge that pods are to have, if there is one.
s_bridge() {
  [ -e "$1" ] || return 0
  [ -e "$1/bridge" ] || { echo other; return 0; }
  have=$(ip -4 -o addr show dev "${1##*/}" 2>/dev/null | awk '{printf "%s ", $4}'); echo "${have:-none}"
}
# s_resolver FILE: why nobody can read it.
s_resolver() { if [ -e "$1" ]; then :; elif [ -L "$1" ]; then echo "link to $(readlink "$1")"; else echo missing; fi; }
# s_folder FOLDER NAME: NAME=MOUNT=FREE_KB=OPTIONS of the file system it is on, or will be.
s_folder() {
  d=$1; while [ ! -e "$d" ] && [ "$d" != / ] && [ -n "$d" ]; do d=${d%/*}; done
  df -Pk "${d:-/}" 2>/dev/null | awk -v name="$2" 'NR == 2 {
    mount = $6; free = $4; while (0 < (getline line <"/proc/mounts")) { split(line, m, " "); if (m[2] == mount) options = m[4] }
    printf "%s=%s=%s=%s ", name, mount, free, options
  }'
}
# s_beyond ADDRESS...: ADDRESS=ROUTER for those that this host reaches only through a router, and ADDRESS=none for those that it does not
# reach. Nothing is said by an `ip` that cannot be asked for many at once.
s_beyond() {
  printf 'route get %s\n' "$@" | ip -4 -o -force -batch - 2>/dev/null | awk -v asked="$*" '
    { at = $1 ~ /^[0-9]/ ? $1 : $2; told[at] = 1; if ($2 == "via") by[at] = $3 == "inet6" ? $4 : $3 }
    END {
      if (!NR) exit
      n = split(asked, a, " "); printf "beyond="
      for (i = 1; i <= n; i++) if (a[i] in by) printf "%s=%s ", a[i], by[a[i]]; else if (!(a[i] in told)) printf "%s=none ", a[i]
      print ""
    }'
}
# s_boot: whether the machine is still starting, or going down, with the jobs in systemd's queue: how many, and for which most of ours
# would wait.
s_boot() {
  state=$(systemctl is-system-running 2>/dev/null); case $state in initializing | starting | stopping) ;; *) return 0 ;; esac
  jobs=$(jobs_before network-online.target); echo "$state ${jobs:-$(jobs_before)}"
}
# survey NAME ADDRESS...: the facts that decide what this host gets, and what preflight judges; key=value lines. NAME is the API's, if it
# is a name, else empty; the addresses are those of next hops.
q_survey() {
  if [ -n "${1:-}" ] && command -v getent >/dev/null; then echo "api_name=$1 $(getent ahostsv4 "$1" 2>/dev/null | awk '{print $1}' | sort -u | tr '\n' ' ')"; fi
  echo "arch=$(uname -m)"; echo "kernel=$(uname -r)"; echo "hostname=$(hostname 2>/dev/null || cat /etc/hostname)"
  echo "uid=$(id -u)"; echo "init=$(cat /proc/1/comm)"; echo "clock=$(date +%s.%N)"
  echo "machine_id=$(cat /etc/machine-id 2>/dev/null)"
  echo "memory_kb=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)"; echo "cpus=$(grep -c ^processor /proc/cpuinfo)"
  echo "disk_free_kb=$(df -Pk /usr/local 2>/dev/null | awk 'NR==2 {print $4}')"
  echo "var_free_kb=$(df -Pk /var/lib 2>/dev/null | awk 'NR==2 {print $4}')"
  (. /etc/os-release 2>/dev/null; echo "os=${ID:-unknown}"; echo "os_version=${VERSION_ID:-}")
  echo "addresses=$(q_addresses)"
  if [ $# -gt 1 ]; then (shift; s_beyond "$@"); fi
  echo "links=$(ip -4 route show table all scope link 2>/dev/null | awk '$1 ~ /^([0-9]|default)/ {printf "%s ", $1}')"
  echo "cgroup=$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo 2 || echo 1)"
  echo "read_only=$(for d in /etc /usr/local /var/lib; do [ -w $d ] || printf '%s ' $d; done)"
  r=/etc/resolv.conf; if [ "$(systemctl is-active systemd-resolved 2>/dev/null)" = active ] && [ -e /run/systemd/resolve/resolv.conf ]; then r=/run/systemd/resolve/resolv.conf; fi
  echo "resolv_conf=$r"; echo "nameservers=$(awk '$1 == "nameserver" {printf "%s ", $2}' $r 2>/dev/null)"
  for p in apt-get dnf yum zypper apk; do if command -v $p >/dev/null 2>&1; then echo "package_manager=$p"; break; fi; done
  echo "etcd_data=$([ -d /var/lib/etcd/member ] && echo yes || echo no)"
  echo "occupied=$(for d in etcd/member kubelet/pods containerd/io.containerd.metadata.v1.bolt; do [ -e /var/lib/$d ] && printf '%s ' "/var/lib/${d%%/*}"; done)"
  echo "etcd_state=$(sed -n 's/^ETCD_INITIAL_CLUSTER_STATE=//p' /etc/etcd/etcd.env 2>/dev/null)"
  echo "etcd_token=$(sed -n 's/^.*--initial-cluster-token=\([^ ]*\).*$/\1/p' /etc/systemd/system/etcd.service 2>/dev/null)"
  echo "cluster=$(cat $STATE/cluster 2>/dev/null)"; echo "lease=$(q_lease)"
  echo "restoring=$(cat $STATE/notes/restore 2>/dev/null)"; echo "restored=$(cat /var/lib/etcd/member/restored 2>/dev/null)"
  # The program that runs, or would at the next start: on a host that is not ours it is nobody's business.
  if [ -e $STATE/cluster ]; then for p in kube-apiserver kubelet; do p=/usr/local/bin/$p; if [ -x $p ]; then echo "kubernetes=$(timeout 5 $p --version 2>/dev/null | sed -n 's/^Kubernetes v//p')"; break; fi; done; fi
  if [ -e $STATE/cluster ]; then s_lives; fi
  s_beside ""
  echo "swaps=$(sed 1d /proc/swaps 2>/dev/null | wc -l)"
  echo "listening=$(q_ports)"
  echo "holders=$(ss -H -ltnp 2>/dev/null | sed -n 's/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*users:(("\([^"]*\)",pid=\([0-9]*\),.*/\1=\2=\3/p' | sort -u | tr '\n' ' ')"
  echo "boot=$(s_boot)"
  echo "firewall=$(grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf && echo ufw)"
  echo "units=$(systemctl list-units --plain --no-legend --state=active,activating,reloading,deactivating --type=service 2>/dev/null | awk '{printf "%s ", $1}')"
  # A module that nobody has needed yet is not among the file systems.
  if grep -qw overlay /proc/filesystems || grep -q '/overlay\.ko' "/lib/modules/$(uname -r)/modules.dep" 2>/dev/null; then echo "filesystem_overlay=yes"; fi
  echo "features=$(for f in net/bridge net/netfilter; do [ -d /proc/sys/$f ] && printf '%s ' $f; done)"
}
