//! Containers of a pod template: their environment, arguments and ports.

use parapet_manifest::{Document, Node};

use crate::reach::Protocol;

/// Which list a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    Main,
    Init,
    Ephemeral,
}

/// A container with its place below the pod template.
pub(crate) struct Container<'a> {
    pub kind: ContainerKind,
    pub name: &'a str,
    /// `/spec/containers/0`, below the template.
    pub pointer: String,
    pub node: &'a Node,
}

/// A container port.
#[derive(Clone, Debug)]
pub(crate) struct Port<'a> {
    pub name: Option<&'a str>,
    pub number: u16,
    pub protocol: Protocol,
}

/// An environment variable with a literal value.
pub(crate) struct Variable<'a> {
    pub name: &'a str,
    pub value: &'a str,
    /// Below the template, of the value.
    pub pointer: String,
}

impl<'a> Port<'a> {
    pub(super) fn implied(name: &'a str, number: u16) -> Self {
        Self { name: Some(name), number, protocol: Protocol::Tcp }
    }
}

pub(super) fn all<'a>(document: &'a Document, template: &str) -> Vec<Container<'a>> {
    let lists = [
        ("containers", ContainerKind::Main),
        ("initContainers", ContainerKind::Init),
        ("ephemeralContainers", ContainerKind::Ephemeral),
    ];
    let mut containers = Vec::new();
    for (list, kind) in lists {
        let nodes = document.at(&format!("{template}/spec/{list}")).map_or(&[] as &[Node], Node::items);
        for (index, node) in nodes.iter().enumerate() {
            let name = node.get("name").and_then(Node::as_str).unwrap_or("");
            containers.push(Container { kind, name, pointer: format!("/spec/{list}/{index}"), node });
        }
    }
    containers
}

impl<'a> Container<'a> {
    pub(crate) fn image(&self) -> Option<&'a str> {
        self.node.get("image")?.as_str()
    }

    /// Whether it runs as long as the pod: main containers, and init containers that restart.
    pub(crate) fn runs(&self) -> bool {
        self.kind == ContainerKind::Main
            || self.node.get("restartPolicy").and_then(Node::as_str) == Some("Always")
    }

    /// A field of `securityContext`.
    pub(crate) fn security(&self, pointer: &str) -> Option<&'a Node> {
        self.node.at(&format!("/securityContext{pointer}"))
    }

    pub(crate) fn ports(&self) -> Vec<Port<'a>> {
        let ports = self.node.get("ports").map_or(&[] as &[Node], Node::items);
        ports
            .iter()
            .filter_map(|port| {
                Some(Port {
                    name: port.get("name").and_then(Node::as_str),
                    number: u16::try_from(port.get("containerPort")?.as_i64()?).ok()?,
                    protocol: Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP")),
                })
            })
            .collect()
    }

    /// The entries of `env` with their pointers below the template.
    pub(crate) fn env(&self) -> impl Iterator<Item = (String, &'a Node)> {
        let entries = self.node.get("env").map_or(&[] as &[Node], Node::items);
        entries.iter().enumerate().map(|(index, entry)| (format!("{}/env/{index}", self.pointer), entry))
    }

    /// Environment variables with literal values.
    pub(crate) fn variables(&self) -> Vec<Variable<'a>> {
        self.env()
            .filter_map(|(pointer, entry)| {
                let name = entry.get("name")?.as_str()?;
                let value = entry.get("value")?.as_str()?;
                Some(Variable { name, value, pointer: format!("{pointer}/value") })
            })
            .collect()
    }

    /// `command` and `args` with their pointers below the template.
    pub(crate) fn arguments(&self) -> Vec<(String, &'a str)> {
        ["command", "args"]
            .iter()
            .flat_map(|field| {
                let items = self.node.get(field).map_or(&[] as &[Node], Node::items);
                items.iter().enumerate().filter_map(move |(index, item)| {
                    Some((format!("{}/{field}/{index}", self.pointer), item.as_str()?))
                })
            })
            .collect()
    }

    /// The value of a flag, written `--flag=value` or `--flag value`, with its pointer below the template.
    pub(crate) fn flag(&self, flag: &str) -> Option<(String, &'a str)> {
        let arguments = self.arguments();
        arguments.iter().enumerate().find_map(|(index, (pointer, text))| {
            let rest = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?.strip_prefix(flag)?;
            match rest.strip_prefix('=') {
                Some(value) => Some((pointer.clone(), value)),
                None if rest.is_empty() => {
                    let next = arguments.get(index + 1).map_or("", |(_, next)| next);
                    Some((pointer.clone(), if next.starts_with('-') { "" } else { next }))
                }
                None => None,
            }
        })
    }

    /// Mounts with their pointers below the template.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = (String, &'a Node)> {
        let mounts = self.node.get("volumeMounts").map_or(&[] as &[Node], Node::items);
        mounts
            .iter()
            .enumerate()
            .map(|(index, mount)| (format!("{}/volumeMounts/{index}", self.pointer), mount))
    }

    /// Whether it is a proxy that authorises requests with the API server.
    pub(crate) fn is_rbac_proxy(&self) -> bool {
        self.image().is_some_and(|image| image.contains("kube-rbac-proxy"))
            || self.flag("secure-listen-address").is_some()
    }
}
