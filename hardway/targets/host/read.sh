# Questions hardway asks a host. Nothing here writes. One function per probe verb; plain POSIX sh
# with coreutils or busybox, so a minimal Debian, dash and busybox all answer alike.
STATE=/var/lib/hardway
export LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=
nl='
'

# Most questions are asked about many things of a kind, and on a small machine the processes that answer them are what takes time. So
# before the questions of a batch all_VERB is called, where there is one, with the first argument of each: it asks one program about all
# of them. The questions then come in the same order, and take what was found. Where it was not, they ask that program for one alone.

# keep KIND LINES NAME...: the first line is what was found about the first name, and so on. When there are more or fewer lines than names,
# something came in between, nobody can tell which line is whose, and nothing is kept.
keep() {
  kind=$1 lines=$2; shift 2; count=$#; split "$nl" "$lines"; [ $parts = $count ] || return 0
  n=0; for name; do n=$((n + 1)); eval "name_$kind$n=\$name $kind$n=\$part$n"; done
}
# split BY TEXT: its parts as $part1, $part2 ... and their number as $parts; without those that are empty.
split() {
  set -f; IFS=$1; set -- $2; unset IFS; set +f
  parts=$#; n=0; for part; do n=$((n + 1)); eval "part$n=\$part"; done
}
# found KIND NAME: as $said what was found about the next name of this kind, which is to be this one; nothing when it was not.
found() {
  eval "n=\$((\${at_$1:-0} + 1)); at_$1=\$n"; eval "said=\${$1$n-}; [ \"\${name_$1$n-}\" = \"\$2\" ] || said="
}
# words TEXT: its lines one behind the other, each with a space after it.
words() { split "$nl" "$1"; n=0; while [ $n -lt $parts ]; do n=$((n + 1)); eval "printf '%s ' \"\$part$n\""; done; }
# text FILE: what a small file says, as $text; nothing when it cannot be read.
text() { text=; [ ! -r "$1" ] || while IFS= read -r line || [ -n "$line" ]; do text=$text${text:+$nl}$line; done <"$1"; }

# file PATH WANT KIND: what is at PATH. The content follows (base64) when its sha256 is not WANT and KIND is "text".
# A link to a folder is as good as a folder (KIND "dir"): data is often kept on another disk.
q_file() {
  found file "$1"; meta=$said; found sum "$1"; sum=$said
  if [ -L "$1" ] && ! { [ "$3" = dir ] && [ -d "$1" ]; }; then echo "link $(readlink "$1")"; return; fi
  if [ ! -e "$1" ]; then echo absent; return; fi
  meta=${meta:-$(stat -L -c '%a %U %G %s' "$1")}
  if [ -d "$1" ]; then echo "dir ${meta% *}"; return; fi
  sum=${sum:-$(sha256sum <"$1")}; sum=${sum#\\}; sum=${sum%% *}  # of a name with a backslash sha256sum says so in front
  echo "file $meta $sum"
  if [ "$sum" != "$2" ] && [ "$3" = text ] && [ "${meta##* }" -le 65536 ]; then base64 <"$1"; fi
}
# In the place of what is not there, or has no such content, something stands that always has: a line for each.
all_file() {
  for p; do shift; [ -e "$p" ] || p=/dev/null; set -- "$@" "$p"; done
  keep file "$(stat -L -c '%a %U %G %s' "$@" 2>/dev/null)" "$@"
  for p; do shift; [ ! -d "$p" ] || p=/dev/null; set -- "$@" "$p"; done
  keep sum "$(sha256sum "$@" 2>/dev/null)" "$@"
}

# binary PATH: like file, but a digest recorded when we wrote it is believed while size, inode and times are unchanged.
q_binary() {
  found binary "$1"
  if [ ! -f "$1" ]; then echo absent; return; fi
  meta=${said:-$(stat -c '%a %U %G %s %i %y %z' "$1")}; sig=${meta#* * * }; text "$STATE/digests$1"
  if [ -n "$text" ] && [ "${text#* }" = "$sig" ]; then sum=${text%% *}; else sum=$(sha256sum <"$1"); sum=${sum%% *}; fi
  echo "file ${meta%" ${sig#* }"} $sum"
}
all_binary() {
  for p; do shift; [ -f "$p" ] || p=/dev/null; set -- "$@" "$p"; done
  keep binary "$(stat -c '%a %U %G %s %i %y %z' "$@" 2>/dev/null)" "$@"
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
  found unit "$1"; said=${said:-$(units "$1")}
  echo "$said"
  case $said in *MainPID=[1-9]*) rest=${said#*MainPID=}; if other_flags "${rest%%[!0-9]*}" "$said"; then echo Flags=other; fi ;; esac
  case $said in *ActiveState=active*) ;; *Job=[1-9]*) awaited "$1" ;; esac
  case $said in *UnitFileState=enabled*) linked "$1" || echo UnitFileState=disabled ;; esac
  text "$STATE/stamps/$1"; echo "Stamp=$text"
  read -r uptime rest 2>/dev/null </proc/uptime && echo "Uptime=$uptime"
}
units() { systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload -p NRestarts -p Result -p Job -p InvocationID -p MainPID -p CPUUsageNSec -p ExecStart -p ExecMainStartTimestampMonotonic "$@" 2>/dev/null || :; }
# systemd tells the properties of one unit after the other, and of each the same one first.
all_unit() {
  split "$nl" "$(units "$@")"; first=${part1-}; first=${first%%=*}=; lines=$parts count=0 n=0
  while [ $n -lt $lines ]; do
    n=$((n + 1)); eval "line=\$part$n"
    case $line in "$first"*) count=$((count + 1)); eval "unit$count=\$line" ;; *) eval "unit$count=\$unit$count\$nl\$line" ;; esac
  done
  if [ $count = $# ]; then n=0; for name; do n=$((n + 1)); eval "name_unit$n=\$name"; done; fi
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
  for link in /etc/systemd/system/*.wants/"$1"; do
    # Most units are ours, and there: that needs no process.
    if [ -e "$link" ] && [ "$link" -ef "/etc/systemd/system/$1" ]; then return 0; fi
    case $(readlink "$link" 2>/dev/null) in */"$1") if [ -e "$link" ]; then return 0; fi ;; esac
  done
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

# sysctl KEY: its live value. The kernel tells it whole only to who asks for all of it at once, as the shell's `read` does not.
q_sysctl() { setting "$1"; found sysctl "$f"; if [ -n "$said" ]; then printf '%s\n' "$said"; else cat "$f" 2>/dev/null || echo absent; fi; }
all_sysctl() {
  for key; do shift; setting "$key"; [ -e "$f" ] || f=/proc/sys/kernel/ostype; set -- "$@" "$f"; done
  keep sysctl "$(cat "$@" 2>/dev/null)" "$@"
}
# setting KEY: as $f where the kernel tells it.
setting() { split . "$1"; f=/proc/sys; n=0; while [ $n -lt $parts ]; do n=$((n + 1)); eval "f=\$f/\$part$n"; done; }

# module NAME: loaded, built in, or absent.
q_module() {
  if [ -d "/sys/module/$1" ] || grep -q "^$1 " /proc/modules 2>/dev/null; then echo loaded
  elif grep -q "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null; then echo builtin
  else echo absent; fi
}

# swap: what is in use now, and what would come back at the next boot.
q_swap() {
  if [ -r /proc/swaps ]; then { read -r _; while read -r dev _; do echo "active $dev"; done; } </proc/swaps; fi
  [ -e /etc/fstab ] && awk '$1 !~ /^#/ && $3 == "swap" {print "fstab " $1}' /etc/fstab
  systemctl list-units --plain --no-legend --type=swap 2>/dev/null | while read -r unit _; do echo "unit $unit"; done
}

# tool NAME: where a program is, or absent.
q_tool() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" || echo absent; }

# library NAME: whether the dynamic linker knows a shared library.
q_library() { if { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q "$1" || ls /lib/*/"$1"* /usr/lib/*/"$1"* /usr/lib64/"$1"* /lib/"$1"* >/dev/null 2>&1; then echo present; else echo absent; fi; }

# user NAME: uid:gid:shell, or absent. What an interrupted useradd or userdel left undone follows: what is missing of the user,
# or which group is left of one that is absent. A primary group of another name is somebody's choice; a number without a group is not.
q_user() { found user "$1"; split ';' "${said:-$(users "$1")}"; n=0; while [ $n -lt $parts ]; do n=$((n + 1)); eval "echo \"\$part$n\""; done; }
all_user() { keep user "$(users "$@")" "$@"; }
# users NAME...: a line for each, with ";" between what is one by one told of it.
users() {
  names=$*; set --; for f in /etc/passwd /etc/group /etc/shadow /etc/gshadow; do if [ -r $f ]; then set -- "$@" $f; fi; done
  awk -F: -v names="$names" -v files="$*" '
    { has[FILENAME, $1] = 1 }
    FILENAME == "/etc/passwd" { gid[$1] = $4; user[$1] = $3 ":" $4 ":" $7 }
    FILENAME == "/etc/group" { groups[$3] = 1 }
    END {
      m = split(files, file, " "); n = split(names, name, " ")
      for (i = 1; i <= n; i++) if (!(name[i] in user)) print "absent" ((("/etc/group", name[i]) in has) ? ";left group" : ""); else {
        said = user[name[i]]
        for (j = 1; j <= m; j++) if (!((file[j], name[i]) in has)) { what = file[j]; sub(/.*\//, "", what); said = said ";missing " what }
        print said ((gid[name[i]] in groups) ? "" : ";missing gid " gid[name[i]])
      }
    }' /dev/null "$@"
}

# ours KIND NAME: whether hardway itself put a file (ours), folder (dirs), package or user here.
q_ours() { if [ -e "$STATE/$1/$2" ]; then echo yes; else echo no; fi; }

# package NAME: whole, absent, or half and dpkg's letters for how far it had come. Other managers do not tell: absent.
q_package() { found package "$1"; echo "${said:-$(packages "$1")}"; }
all_package() { keep package "$(packages "$@")" "$@"; }
packages() {
  dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null | awk -v names="$*" '
    !($1 in state) { state[$1] = substr($0, length($1) + 2) }
    END {
      n = split(names, name, " ")
      for (i = 1; i <= n; i++) { s = state[name[i]]; print s ~ /^.i / ? "whole" : s ~ /^.[UFHWt]|^..R/ ? "half " s : "absent" }
    }'
}

# image REF: whether containerd's k8s.io namespace holds it: present, or unpinned (the kubelet would remove it from a full disk), and the
# digest that its name leads to ("-": to more than one image, as a registry has it); absent; or half and what ctr says. An import that
# was interrupted leaves its name with content that is missing, or not unpacked. Last comes the digest that we brought, if it is noted.
q_image() { found image "$1"; text "$STATE/images/$1"; echo "${said:-$(images "$1")}${text:+ $text}"; }
all_image() { keep image "$(images "$@")" "$@"; }
images() {
  ctr=/usr/local/bin/ctr refs=$* wait=$((10 * $#)) said= listed=; for ref; do shift; set -- "$@" "name==$ref"; done
  if [ -x $ctr ] && [ -S /run/containerd/containerd.sock ]; then said=$(timeout $wait $ctr -n k8s.io images check "$@" 2>/dev/null); fi
  case $said in *complete*true*) listed=$(timeout $wait $ctr -n k8s.io images ls "$@" 2>/dev/null) ;; esac
  printf '%s\n\n%s\n' "$said" "$listed" | awk -v refs="$refs" '
    !NF { listed = 1 }
    !listed { state[$1] = $4 " " $NF; digest[$1] = $2 ~ /index|manifest\.list/ ? "-" : $3 }
    listed { pinned[$1] = index($0, "io.cri-containerd.pinned=pinned") ? "present" : "unpinned" }
    END {
      n = split(refs, ref, " ")
      for (i = 1; i <= n; i++) { r = ref[i]; s = state[r]; print s == "" ? "absent" : s != "complete true" ? "half " s : (r in pinned ? pinned[r] : "present") " " digest[r] }
    }'
}

# addresses: those of this host, each with its interface.
q_addresses() { ip -4 -o addr show 2>/dev/null | awk '{sub("/.*","",$4); printf "%s=%s ", $4, $2}'; }

# routes: the main table's routes with a gateway, one a line.
q_routes() { ip -4 route show 2>/dev/null | awk '$2 == "via" {print $1, $3}'; }

# ports: on which somebody listens, as hexadecimal numbers.
q_ports() {
  set --; for f in /proc/net/tcp /proc/net/tcp6; do if [ -r $f ]; then set -- "$@" $f; fi; done
  awk '$4 == "0A" {n = split($2, a, ":"); if (!told[a[n]]++) printf "%s ", a[n]}' /dev/null "$@"
}

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
  folder=$1; set --; for c in etcd kube-apiserver kubelet containerd; do if [ -e "$folder/$c.service" ]; then set -- "$@" "$folder/$c.service"; fi; done
  [ $# = 0 ] || awk 'BEGIN {
    for (i = 1; i < ARGC; i++) {
      unit = ARGV[i]; sub(/.*\//, "", unit); sub(/\.service$/, "", unit); printf "%s= ", unit
      while (0 < (getline line <ARGV[i])) if (match(line, /^ *--(advertise-address|etcd-prefix|root|root-dir|secure-port|state|wal-dir)=[^ ]*/)) {
        flag = substr(line, RSTART, RLENGTH); sub(/^ *--/, "", flag); printf "%s.%s ", unit, flag
      }
    }
  }' "$@"
}
# s_flag NAME FILE: what a unit is first given for a flag.
s_flag() { if [ -e "$2" ]; then awk -v flag="--$1=" 'sub("^.*" flag, "") {sub(/ .*/, ""); printf "%s", $0; exit}' "$2"; fi; }
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
        secret,*) printf '%s:%s=%.16s\n' "$kind" "$name" "$(printf %s "$word" | base64 -d 2>/dev/null | sha256sum)" ;;
        for,*) echo "resources:$word" ;;
      esac
    done
}

# s_lives: what a host of ours lives by now, from the files that are there; names of encryption keys, never their bytes.
s_lives() {
  u=/etc/systemd/system; b=/usr/local/bin; e=/etc/kubernetes/encryption-config.yaml; k=/etc/kubernetes/pki
  if [ -x $b/etcd ]; then s_says "etcd Version: " $b/etcd; echo "etcd=$said"; fi
  if [ -x $b/containerd ]; then s_says "containerd " $b/containerd; set -- $said "" ""; echo "containerd=${2#v}"; fi
  printf peer_url=; s_flag initial-advertise-peer-urls $u/etcd.service; echo
  f=/etc/cni/net.d/10-bridge.conflist said=; if [ -e $f ]; then said=$(sed -n '/"subnet": *"[^"]*"/{s/^.*"subnet": *"\([^"]*\)".*$/\1/p;q;}' $f); fi; echo "pod_block=$said"
  f=/var/lib/kubelet/pki/kubelet.crt; printf kubelet_cert=; if [ -e $f ]; then awk '/^-----END/ {exit} !/^-----/ {printf "%s", $0}' $f; fi; echo
  printf routes=; words "$(sed -n 's/^.*ip route replace \([0-9][^ ]*\) via \([^ ]*\) .*$/\1=\2/p; s/^ *route \([0-9][^ ]*\) via \([^ ]*\)$/\1=\2/p' $u/pod-routes.service $b/pod-routes 2>/dev/null)"; echo
  printf flags=; s_flags $u; echo
  f=/var/lib/kubelet/config.yaml; printf reserved=; if [ -e $f ]; then words "$(sed -n '/^systemReserved:/,/^[^ ]/s/^  \([a-z-]*\): *"*\([^" ]*\)"* *$/\1=\2/p' $f)"; fi; echo
  if [ -e $e ]; then sum=$(sha256sum <$e); echo "encryption=${sum%% *}"; printf providers=; s_providers $e | tr '\n' ' '; echo; fi
  printf service_cidr=; s_flag service-cluster-ip-range $u/kube-apiserver.service; echo
  printf issuer=; s_flag service-account-issuer $u/kube-apiserver.service; echo
  printf pod_cidr=; s_flag cluster-cidr $u/kube-controller-manager.service; echo
  if joined; then echo "joined=yes"; fi
  if [ -e $k/ca.key ]; then echo "signs=yes"; fi
  printf trusts=; s_trusts $k/ca.crt $k/front-proxy-ca.crt $k/etcd/ca.crt $k/sa.pub /etc/etcd/pki/ca.crt; echo
  s_roads
}
# s_known: what `record` has noted of our programs' versions is believed like a digest, so it is looked at which programs these are now.
s_known() {
  set --; for p in kube-apiserver kubelet; do p=/usr/local/bin/$p; if [ -x $p ]; then set -- $p; break; fi; done
  for p in etcd containerd; do p=/usr/local/bin/$p; if [ -x $p ]; then set -- "$@" $p; fi; done
  [ $# = 0 ] || keep version "$(stat -c '%s %i %y %z' "$@" 2>/dev/null)" "$@"
}
# s_says WORDS PROGRAM: as $said what follows these words in the line about its version that begins with them.
s_says() {
  found version "$2"; text "$STATE/versions$2"
  if [ -z "$said" ] || [ "${text##*"$nl"}" != "$said" ]; then text=$(timeout 5 "$2" --version 2>/dev/null); fi
  split "$nl" "$text"; said=; n=0
  while [ $n -lt $parts ]; do n=$((n + 1)); eval "part=\$part$n"; case $part in "$1"*) said=${part#"$1"}; break ;; esac; done
}
# s_trusts FILE...: of each certificate, or public key, in files that list whom a program trusts: the file, "=" and the digest.
s_trusts() {
  for f; do shift; if [ -e "$f" ]; then set -- "$@" "$f"; fi; done
  awk 'FNR == 1 {on = 0} /^-----BEGIN/ {b = ""; on = 1; next} /^-----END/ {if (on) print FILENAME, b; on = 0} on {b = b $0}' "$@" /dev/null |
    while read -r f b; do printf '%s=' "$f"; printf %s "$b" | base64 -d 2>/dev/null | sha256sum; done |
    awk -F= '{printf "%s=%.16s ", $1, $2}'
}
# joined: whether a cluster that lives has ever given this kubelet something. A kubelet alone makes neither a pod nor a certificate: it
# copies that of its kubeconfig to where it keeps those which the API signs for it, so one that is not the same was signed.
joined() {
  l=/var/lib/kubelet; for pod in $l/pods/* $l/pods/.[!.]*; do if [ -e "$pod" ] || [ -L "$pod" ]; then return 0; fi; done
  [ -e $l/pki/kubelet-client-current.pem ] || return 1
  line=$(sed -n 's/^ *client-certificate-data: *//p' /etc/kubernetes/kubelet.conf 2>/dev/null | base64 -d 2>/dev/null | sed -n 2p)
  [ -n "$line" ] && ! grep -qxF -e "$line" $l/pki/kubelet-client-current.pem
}
# s_roads: by which addresses clients on this host come to the API, what its load balancer keeps open for them, and the components that
# hardway installed. A client without the stamp of its last start may still run with an older kubeconfig.
s_roads() {
  k=/etc/kubernetes; h=/etc/haproxy/haproxy.cfg; v=/etc/keepalived/keepalived.conf
  printf servers=; sed -n 's/^ *server: *//p' $k/kubelet.conf $k/kube-proxy.conf $k/admin.conf 2>/dev/null | sort -u | tr '\n' ' '; echo
  printf unsettled=; for c in kubelet kube-proxy; do if [ -e $k/$c.conf ] && [ ! -e $STATE/stamps/$c.service ]; then printf yes; break; fi; done; echo
  printf components=; for f in $STATE/ours$u/*.service $STATE/ours$h $STATE/ours$v; do if [ -e "$f" ]; then f=${f##*/}; printf '%s ' "${f%.*}"; fi; done; echo
  if [ -e $STATE/ours$h ]; then printf bound=; words "$(sed -n 's/^ *bind :\([0-9]*\).*$/\1/p' $h 2>/dev/null)"; echo; fi
  if [ -e $STATE/ours$v ]; then
    printf shared=; inside virtual_ipaddress $v; echo; printf peers=; inside unicast_peer $v; echo
    echo "sender=$(sed -n '/^ *unicast_src_ip/{s/^ *unicast_src_ip *//p;q;}' $v 2>/dev/null)"
  fi
}
# inside BLOCK FILE: the addresses in the blocks of this name in keepalived's configuration.
inside() { awk -v b="$1" '$1 == b {i = 1; next} /}/ {i = 0} i {sub("/.*", "", $1); printf "%s ", $1}' "$2" 2>/dev/null || :; }
# s_beside ROOT: what others left where our programs read it, or run into it (see hardway.leftovers); a space in a name becomes "?".
s_beside() {
  printf drop_ins=; s_drop_ins "$1"; echo
  printf cni=; for f in "$1"/etc/cni/net.d/*.conf "$1"/etc/cni/net.d/*.conflist "$1"/etc/cni/net.d/*.json; do case ${f##*/} in 10-bridge.conflist) ;; *) if [ -e "$f" ]; then named "${f##*/}"; printf ' '; fi ;; esac; done; echo
  printf static_pods=; for f in "$1"/etc/kubernetes/manifests/*; do if [ -f "$f" ]; then named "${f##*/}"; printf ' '; fi; done; echo
  printf bridge=; s_bridge "$1/sys/class/net/cni0"; echo
  printf resolver=; s_resolver "$1/etc/resolv.conf"; echo
  printf half_packages=; dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 ~ /^.[UFHWt]|^..R/ {printf "%s ", $2}'; echo
  printf folders=; s_folders "$1" /usr/local /usr/local/bin /opt/cni /var/lib /var/lib/etcd /var/lib/containerd /var/lib/kubelet; echo
}
# named NAME: the same, without what would end the word.
named() { case $1 in *["$nl	 "]*) printf %s "$1" | tr ' \t\n' '???' ;; *) printf %s "$1" ;; esac; }
# s_drop_ins ROOT: UNIT=PATH=KEYS for each file that changes a unit of ours; also by the beginning of its name, as systemd
# reads them. What the distribution says of all services together is its own matter.
s_drop_ins() {
  for unit in etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy pod-routes haproxy keepalived; do
    dirs=$unit.service.d; p=$unit; while case $p in *-*) true ;; *) false ;; esac; do p=${p%-*}; dirs="$dirs $p-.service.d"; done
    for base in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system; do
      all=; [ $base != /etc/systemd/system ] || all=service.d
      for d in $dirs $all; do
        for f in "$1$base/$d"/*.conf; do if [ -f "$f" ]; then printf '%s=' "$unit"; named "${f#"$1"}"; printf =; s_keys "$f"; printf ' '; fi; done
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
  [ -e "$1/bridge" ] || { printf other; return 0; }
  have=$(ip -4 -o addr show dev "${1##*/}" 2>/dev/null | awk '{printf "%s ", $4}'); printf %s "${have:-none}"
}
# s_resolver FILE: why nobody can read it.
s_resolver() { if [ -e "$1" ]; then :; elif [ -L "$1" ]; then printf 'link to %s' "$(readlink "$1")"; else printf missing; fi; }
# s_folders ROOT NAME...: NAME=MOUNT=FREE_KB=OPTIONS of the file system each folder is on, or will be.
s_folders() {
  root=$1; shift; names=$*
  for d; do d=$root$d; while [ ! -e "$d" ] && [ "$d" != / ] && [ -n "$d" ]; do d=${d%/*}; done; shift; set -- "$@" "${d:-/}"; done
  rows "$(df -Pk "$@" 2>/dev/null)"; keep folder "$rows" "$@"
  for name in $names; do found folder "$1"; [ -n "$said" ] || space "$1"; echo "$name $said"; shift; done |
    awk 'BEGIN { while (0 < (getline line <"/proc/mounts")) { split(line, m, " "); options[m[2]] = m[4] } } 6 < NF { printf "%s=%s=%s=%s ", $1, $7, $5, options[$7] }'
}
# space PATH: as $said what df tells of its file system. rows TEXT: as $rows the text without the line that heads it.
space() { rows "$(df -Pk "$1" 2>/dev/null)"; said=$rows; }
rows() { rows=; case $1 in *"$nl"*) rows=${1#*"$nl"} ;; esac; }
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
  jobs=$(jobs_before network-online.target); printf %s "$state ${jobs:-$(jobs_before)}"
}
# survey NAME ADDRESS...: the facts that decide what this host gets, and what preflight judges; key=value lines. NAME is the API's, if it
# is a name, else empty; the addresses are those of next hops.
q_survey() {
  if [ -n "${1:-}" ] && command -v getent >/dev/null; then printf 'api_name=%s ' "$1"; getent ahostsv4 "$1" 2>/dev/null | awk '{print $1}' | sort -u | tr '\n' ' '; echo; fi
  split ' ' "$(uname -nrm)"; echo "arch=$part3"; kernel=$part2; echo "kernel=$kernel"; echo "hostname=$part1"
  text /proc/1/comm; echo "uid=$(id -u)"; echo "init=$text"; echo "clock=$(date +%s.%N)"
  text /etc/machine-id; echo "machine_id=$text"
  awk '/^MemTotal:/ {print "memory_kb=" $2} /^processor/ {n++} END {print "cpus=" n + 0}' /proc/meminfo /proc/cpuinfo
  for d in disk=/usr/local var=/var/lib; do space "${d#*=}"; split ' ' "$said"; [ $parts != 0 ] || part4=; echo "${d%=*}_free_kb=$part4"; done
  (. /etc/os-release 2>/dev/null; echo "os=${ID:-unknown}"; echo "os_version=${VERSION_ID:-}")
  printf addresses=; q_addresses; echo
  if [ $# -gt 1 ]; then shift; s_beyond "$@"; fi
  printf links=; ip -4 route show table all scope link 2>/dev/null | awk '$1 ~ /^([0-9]|default)/ {printf "%s ", $1}'; echo
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
  printf read_only=; for d in /etc /usr/local /var/lib; do [ -w $d ] || printf '%s ' $d; done; echo
  r=/run/systemd/resolve/resolv.conf; [ -e $r ] && [ "$(systemctl is-active systemd-resolved 2>/dev/null)" = active ] || r=/etc/resolv.conf
  echo "resolv_conf=$r"; printf nameservers=; awk '$1 == "nameserver" {printf "%s ", $2}' $r 2>/dev/null; echo
  for p in apt-get dnf yum zypper apk; do if command -v $p >/dev/null 2>&1; then echo "package_manager=$p"; break; fi; done
  if [ -d /var/lib/etcd/member ]; then echo etcd_data=yes; else echo etcd_data=no; fi
  printf occupied=; for d in etcd/member kubelet/pods containerd/io.containerd.metadata.v1.bolt; do [ ! -e /var/lib/$d ] || printf '%s ' "/var/lib/${d%%/*}"; done; echo
  f=/etc/etcd/etcd.env said=; if [ -e $f ]; then said=$(sed -n 's/^ETCD_INITIAL_CLUSTER_STATE=//p' $f); fi; echo "etcd_state=$said"
  printf etcd_token=; s_flag initial-cluster-token /etc/systemd/system/etcd.service; echo
  text $STATE/cluster; echo "cluster=$text"; echo "lease=$(q_lease)"
  text $STATE/notes/restore; echo "restoring=$text"; text /var/lib/etcd/member/restored; echo "restored=$text"
  # The program that runs, or would at the next start: on a host that is not ours it is nobody's business.
  if [ -e $STATE/cluster ]; then s_known; for p in kube-apiserver kubelet; do p=/usr/local/bin/$p; if [ -x $p ]; then s_says "Kubernetes v" $p; echo "kubernetes=$said"; break; fi; done; fi
  if [ -e $STATE/cluster ]; then s_lives; fi
  s_beside ""
  n=0; if [ -r /proc/swaps ]; then { read -r _; while read -r _; do n=$((n + 1)); done; } </proc/swaps; fi; echo "swaps=$n"
  printf listening=; q_ports; echo
  printf holders=; ss -H -ltnp 2>/dev/null | sed -n 's/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*users:(("\([^"]*\)",pid=\([0-9]*\),.*/\1=\2=\3/p' | sort -u | tr '\n' ' '; echo
  printf boot=; s_boot; echo
  if grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf; then echo firewall=ufw; else echo firewall=; fi
  printf units=; systemctl list-units --plain --no-legend --state=active,activating,reloading,deactivating --type=service 2>/dev/null | awk '{printf "%s ", $1}'; echo
  # A module that nobody has needed yet is not among the file systems.
  if grep -qw overlay /proc/filesystems || grep -q '/overlay\.ko' "/lib/modules/$kernel/modules.dep" 2>/dev/null; then echo "filesystem_overlay=yes"; fi
  printf features=; for f in net/bridge net/netfilter; do [ ! -d /proc/sys/$f ] || printf '%s ' $f; done; echo
}
