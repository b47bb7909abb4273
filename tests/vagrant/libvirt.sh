# libvirtd in a room of its own, without systemd: libvirt_room.py runs this as the first process of new namespaces, with
# the folder that has libvirt's files, and whether KVM is of use. When it ends, all others of the room end with it.
set -eu
folder=$1 kvm=$2
# libvirt does without control groups where none are mounted, and so need not share this computer's.
cat /proc/mounts | while read -r _ place kind _; do
  case $kind in cgroup*) umount -l "$place" ;; esac
done
umount -l /sys
mount -t sysfs sysfs /sys # the cards of this room's network, not the computer's
mount -t tmpfs -o mode=755 tmpfs /run
for place in etc/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt; do
  mount --bind "$folder/$place" "/$place"
done
# A /dev/kvm of no use would still be tried, again and again: libvirt must find that it may not write to it.
[ "$kvm" = yes ] || [ ! -e /dev/kvm ] || { : >"$folder/no-kvm" && mount --bind -o ro "$folder/no-kvm" /dev/kvm; }
ip link set lo up
: >"$folder/ready"
libvirtd &
wait "$!"
