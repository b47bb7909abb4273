# What questions and acts share: how hardway knows its own among what a host has.

# What is mounted in a folder, wherever that really lies: it may be a link to another disk.
below() { real=$(readlink -f "$1" || :); [ -z "$real" ] || awk -v d="$real/" 'index($2, d) == 1 {print $2}' /proc/mounts; }

# undo_rules: of what iptables-save prints, the lines by which iptables-restore --noflush removes what kube-proxy, the kubelet, pods with
# a hostPort and pod-routes have set. Rules of others stay, also those that only mention such names. portmap shares its chains with
# other networks of this host: they go when no rule of those is left in them.
undo_rules() {
  awk '
    function target(rule) { gsub(/"([^"\\]|\\.)*"/, "", rule); return match(rule, / -[jg] [^ ]+/) ? substr(rule, RSTART + 4, RLENGTH - 4) : "" }
    function ours(chain) { return chain ~ /^KUBE-/ || chain in ports || (chain ~ /^CNI-HOSTPORT-/ && !others) }
    function leads(rule) { return ours(target(rule)) || rule ~ /^-A POSTROUTING .* --comment hardway-masq / }
    /^\*/ { table = $0; chains = rules = others = 0; split("", ports) }
    /^:/ { chain[++chains] = substr($1, 2) }
    /^-A / { rule[++rules] = $0; from[rules] = $2 }
    $1 == "-A" && $2 == "CNI-HOSTPORT-DNAT" { if (index($0, "name: \\\"bridge\\\"")) ports[target($0)]; else others = 1 }
    $0 == "COMMIT" {
      undo = ""
      for (i = 1; i <= chains; i++) if (ours(chain[i])) undo = undo ":" chain[i] " - [0:0]\n"
      for (i = 1; i <= rules; i++) if (!ours(from[i]) && leads(rule[i])) undo = undo "-D" substr(rule[i], 3) "\n"
      for (i = 1; i <= chains; i++) if (ours(chain[i])) undo = undo "-X " chain[i] "\n"
      if (undo != "") printf "%s\n%sCOMMIT\n", table, undo
    }'
}

