"""Help pages that explain their arguments as well as their options; click alone leaves arguments out."""

from __future__ import annotations

import click

# By the word that stands in the usage line.
ARGUMENTS = {
    "INV": "The inventory: a YAML file, for example inventory/lab.yaml. `hardway init` prints one to start from.",
    "[USER@ADDRESS[:PORT]]...": "Hosts to fill in, for example root@10.0.0.10. Default user: root, port: 22.",
    "[INV]": "The inventory; without it, the example of six machines.",
    "PHASE": "Name of a phase (`hardway phases` lists them), all, certificates, encryption-rotate, nodes, upgrade,"
    " etcd-restore or restore.",
    "COMPONENT": "The component: etcd, kube-apiserver, kubelet, haproxy and so on; a wrong name lists them all.",
    "[DRILL]": "What to break: apiserver, etcd-member, kubelet, lb or node.",
    "[HOST]...": "Names of hosts in the inventory.",
    "[NAME]...": "What `hardway certs list` calls them, for example apiserver or kubelet@worker-0. A name without its"
    " host means all hosts; * stands for anything.",
    "VERSION...": "A version of Kubernetes (1.37.3), or of another component (etcd=3.7.4).",
    "[FILE]": "A snapshot that hardway etcd backup, or etcdctl, has written.",
    "BACKUP": "A file that hardway backup has written.",
    "FOLDER": "The folder; hardway creates it if it does not exist.",
    "KIND": "The CA: kubernetes, etcd or front-proxy; or service-account for the key that signs tokens.",
    "DIR": "The folder with the certificates.",
    "HOST": "Name of a host in the inventory.",
    "HOST...": "Names of hosts in the inventory, or of nodes and etcd members that live.",
    "OLD": "Name of the host that leaves: in the inventory, or a node or etcd member that lives.",
    "NEW": "Name of the host that joins; the inventory must name it.",
    "[COMMAND]...": "The command to run there; without it, a shell.",
}


class Command(click.Command):
    """A command whose help has a list of arguments."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = [str(param.metavar) for param in self.get_params(ctx) if isinstance(param, click.Argument)]
        if words:
            with formatter.section("Arguments"):
                formatter.write_dl([(word, ARGUMENTS[word]) for word in words])
        super().format_options(ctx, formatter)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type  # subgroups are of this same kind
