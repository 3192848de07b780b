//! What the node's programs are told, as files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::ADDRESS;
use crate::machine;
use crate::sandbox::Sandbox;

/// The image of a pod's sandbox; nobody serves that registry, and nobody asks it.
pub(super) const PAUSE: &str = "registry.test/pause:1";
const PODS: &str = "10.244.0.0/24";

/// Those of containerd.
pub(super) struct Files {
    pub(super) containerd: PathBuf,
    pub(super) socket: PathBuf,
}

impl Files {
    pub(super) fn write(sandbox: &Sandbox) -> Result<Self> {
        let dir = sandbox.dir().display();
        let socket = sandbox.dir().join("containerd.sock");
        let plugins = machine::plugins().context("the plugins of container networks are missing")?;
        let networks = sandbox.dir().join("networks");
        std::fs::create_dir(&networks).context("failed to create the folder of networks")?;
        let network = json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [{
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "hairpinMode": true,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": sandbox.dir().join("addresses"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }],
        });
        sandbox.write("networks/10-pods.conflist", network.to_string())?;
        let containerd = format!(
            r#"version = 2
root = "{dir}/containerd"
state = "{dir}/containerd-state"

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
disable_apparmor = true
# Not every root may make a process less likely to be killed when memory runs out.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{dir}/networks"
"#,
            socket = socket.display(),
        );
        Ok(Self { containerd: sandbox.write("containerd.toml", containerd)?, socket })
    }
}

/// Every container's control group lies below the machine's.
pub(super) fn kubelet(
    sandbox: &Sandbox,
    machine: &str,
    socket: &Path,
    ca: &Path,
    certificate: &Path,
    key: &Path,
) -> Result<PathBuf> {
    // Pods without names: the address where a cluster's DNS would be.
    let resolver = sandbox.write("resolv.conf", "nameserver 10.96.0.10\n")?;
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": ca},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{machine}"),
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        // A full disk is not what is tested.
        "evictionHard": {"memory.available": "100Mi"},
        "failCgroupV1": false,
        "failSwapOn": false,
        "healthzBindAddress": "127.0.0.1",
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "resolvConf": resolver,
        // How soon a changed ConfigMap is seen in a mount.
        "syncFrequency": "5s",
        "tlsCertFile": certificate,
        "tlsPrivateKeyFile": key,
        "volumePluginDir": sandbox.dir().join("volume-plugins"),
    });
    sandbox.write("kubelet.yaml", config.to_string())
}

pub(super) fn kube_proxy(sandbox: &Sandbox, kubeconfig: &Path) -> Result<PathBuf> {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": kubeconfig},
        "clusterCIDR": PODS,
        "hostnameOverride": super::NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        // The table's size is the machine's, not the namespace's.
        "conntrack": {"maxPerCore": 0},
    });
    sandbox.write("kube-proxy.yaml", config.to_string())
}
