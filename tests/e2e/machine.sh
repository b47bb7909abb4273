# Everything about a machine that can be looked at from inside, in sections; run by `sh -s`, fields are separated by tabs.
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
not_these='( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log/journal ) -prune'
set -f
echo '# files'
# shellcheck disable=SC2086
find / $not_these -o -printf '%y\t%m\t%U:%G\t%s\t%T@\t%l\t%p\n'
echo '# contents'
# shellcheck disable=SC2086
find / $not_these -o -type f -print0 | xargs -0 sha256sum
echo '# links'; ip -o -br link | awk '{sub("@.*", "", $1); print $1}'
echo '# addresses'; ip -o addr | awk '{print $2, $4}'
echo '# routes'; ip route show table all
echo '# rules'; ip rule
echo '# firewall'; { iptables-save; ip6tables-save; } 2>/dev/null | grep -E '^(-A|:.* -)' | sed 's/ \[.*//'
echo '# namespaces'; ip netns
echo '# mounts'; awk '{print $1, $2, $3}' /proc/mounts | grep -v ' /run/user/'
# Asked before there is a pipe, whose programs would be seen or not as chance has it.
processes=$(ps -eo uid=,comm=)
echo '# processes'; echo "$processes" | awk '{print $1, $2}' | sort -u
echo '# listening'; ss -Htuln | awk '{print $1, $5}'
echo '# packages'; dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
echo '# units'; systemctl list-unit-files --no-legend --plain | awk '$1 !~ /^session-.*\.scope$/ {print $1, $2}'
echo '# failed units'; systemctl list-units --failed --no-legend --plain | awk '{print $1}'
echo '# settings'
sysctl -a 2>/dev/null | grep -vE '^(kernel\.(random|ns_last_pid|pty\.nr|sched_domain)|fs\.(dentry|inode|file-nr|quota|aio-nr)|net\.netfilter\.nf_conntrack_count|dev\.cdrom)'
