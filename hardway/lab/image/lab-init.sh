#!/bin/sh
# First program of a lab machine: makes what the container manager left read-only or shared fit for
# a Kubernetes node, then becomes systemd.

# cgroup v1 controllers come read-only; systemd ignores those it cannot write when it starts.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    for directory in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$directory"; done
    mount -o remount,bind,rw /sys/fs/cgroup
fi

mkdir -p /run/lab

# The kubelet and kube-proxy write these, and they belong to the whole host: give the machine files of its own.
private() {
    [ -e "/proc/sys/$1" ] || return 0
    file=/run/lab/$(echo "$1" | tr / _)
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
private vm/overcommit_memory 0
private vm/panic_on_oom 0
private kernel/panic 0
private kernel/panic_on_oops 0
private net/netfilter/nf_conntrack_max 131072

# A new network namespace copies some values from the host; a fresh machine does not forward.
[ -w /proc/sys/net/ipv4/ip_forward ] && echo 0 >/proc/sys/net/ipv4/ip_forward

# A kernel without modules: modprobe succeeds for what is built in, as it does on such a kernel with a distribution's files.
modules=/lib/modules/$(uname -r)
if [ ! -e "$modules/modules.dep" ]; then
    mkdir -p "$modules"
    : >"$modules/modules.order"
    if [ -r /proc/config.gz ]; then zcat /proc/config.gz; fi >/run/lab/kernel-config
    while read -r module option; do
        [ -s /run/lab/kernel-config ] && ! grep -q "^CONFIG_$option=y" /run/lab/kernel-config && continue
        echo "kernel/builtin/$module.ko"
    done >"$modules/modules.builtin" <<END
br_netfilter BRIDGE_NETFILTER
bridge BRIDGE
ip_set IP_SET
ip_tables IP_NF_IPTABLES
ip_vs IP_VS
iptable_filter IP_NF_FILTER
iptable_mangle IP_NF_MANGLE
iptable_nat IP_NF_NAT
nf_conntrack NF_CONNTRACK
nf_nat NF_NAT
nf_tables NF_TABLES
overlay OVERLAY_FS
tun TUN
veth VETH
vxlan VXLAN
xt_MASQUERADE NETFILTER_XT_TARGET_MASQUERADE
xt_comment NETFILTER_XT_MATCH_COMMENT
xt_conntrack NETFILTER_XT_MATCH_CONNTRACK
xt_statistic NETFILTER_XT_MATCH_STATISTIC
END
    depmod "$(uname -r)" 2>/dev/null
fi

# Without CAP_SYS_RESOURCE (bit 24) nobody may lower an oom score, and runc then refuses every pod sandbox.
# A drop-in puts a wrapper of runc first in containerd's PATH that asks for 0 instead; runc itself stays the real one.
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
if [ $((0x$bounding >> 24 & 1)) = 0 ]; then
    mkdir -p /run/systemd/system/containerd.service.d
    printf '[Service]\nEnvironment=PATH=/opt/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' \
        >/run/systemd/system/containerd.service.d/10-lab.conf
fi

exec /lib/systemd/systemd
