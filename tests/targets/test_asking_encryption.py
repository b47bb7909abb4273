"""What a host and an API server say of the encryption of Secrets: in the real shell, and as a real API server writes
it."""

import shutil
import subprocess

import pytest
from fakes.memory_probes import providers

from hardway.targets import host as shell
from hardway.targets.live import loaded

OURS = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - aescbc:
      keys:
      - name: key1
        secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
  - secretbox:
      keys:
      - name: key1
        secret: AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
  - identity: {}
"""
OTHERS = """# Somebody's own.
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources:
      - secrets
      - configmaps
      - '*.example.org'
    providers:
      - kms:
          apiVersion: v2
          name: vault
          endpoint: unix:///run/vault.sock
      - aesgcm:
          keys:
            - name: "july"
              secret: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
            - name: june
              secret: AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
      - identity: { }
"""
ZERO, ONE = "66687aadf862bd77", "01d0fabd251fcbbe"
SAID = [
    (OURS, [f"aescbc:key1={ZERO}", f"secretbox:key1={ONE}", "identity"]),
    (OTHERS, ["resources:configmaps", "resources:*.example.org", "kms", f"aesgcm:july={ZERO}", f"aesgcm:june={ONE}",
              "identity"]),
]  # fmt: skip


@pytest.mark.parametrize("sh", [["sh"], ["busybox", "sh"]], ids=lambda words: words[0])
@pytest.mark.parametrize(("content", "said"), SAID)
def test_a_host_names_the_providers_of_its_configuration(tmp_path, content, said, sh):
    if not shutil.which(sh[0]):
        pytest.skip(f"{sh[0]} is missing")
    (tmp_path / "config.yaml").write_text(content)
    script = f"{shell.READ}\ns_providers {tmp_path}/config.yaml"
    done = subprocess.run(sh, input=script, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:-1] == said and done.stderr == ""
    assert providers(content.encode()) == said, "a host in memory says the same"


METRICS = b"""# HELP apiserver_encryption_config_controller_last_config_info [ALPHA] Information about the last applied
# TYPE apiserver_encryption_config_controller_last_config_info gauge
apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:14f9d63e",hash="sha256:6bc9f4aa2e"} 1
# TYPE apiserver_envelope_encryption_dek_cache_fill_percent gauge
apiserver_envelope_encryption_dek_cache_fill_percent{hash="sha256:0000"} 0
"""


def test_an_api_server_names_the_configuration_that_it_has_loaded():
    assert loaded(METRICS) == "6bc9f4aa2e"


def test_an_api_server_without_a_configuration_names_none():
    assert loaded(METRICS.replace(b"_last_config_info{", b"_last_other_info{")) == ""
