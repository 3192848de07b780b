//! Endpoints that are scraped, whichever of three forms they are written in.

use parapet_manifest::{Document, Node, Span};
use serde_json::Value;

use crate::finding::Draft;
use crate::world::{Config, World};

/// One endpoint that is scraped, whatever the form it is written in.
pub(crate) struct Scrape<'w> {
    pub document: &'w Document,
    /// The endpoint, in the object; for a configuration inside of a text the text field.
    pub pointer: String,
    pub node: Node,
    /// Where the endpoint is in that text.
    inner: String,
    /// The endpoint is a part of a text: places come from the node.
    pub is_text: bool,
}

impl Scrape<'_> {
    /// A field by its name in monitors or its name in Prometheus' configuration.
    pub(super) fn field(&self, monitor: &str, config: &str) -> Option<&Node> {
        self.node.at(if self.is_text { config } else { monitor })
    }

    pub(super) fn place(&self, pointer: &str) -> (String, Span) {
        let span = self.node.place(pointer);
        (if self.is_text { self.pointer.clone() } else { format!("{}{pointer}", self.pointer) }, span)
    }

    /// The patch sets a field, by its name in monitors and its name in Prometheus' configuration.
    pub(super) fn set(&self, draft: &mut Draft<'_>, monitor: &str, config: &str, value: Value) {
        if self.is_text {
            draft.set_in_text(self.document, &self.pointer, format!("{}{config}", self.inner), value);
        } else {
            draft.set_in(self.document, format!("{}{monitor}", self.pointer), value);
        }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.node
            .get("scheme")
            .and_then(Node::as_str)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    pub(crate) fn skips_verification(&self) -> bool {
        self.field("/tlsConfig/insecureSkipVerify", "/tls_config/insecure_skip_verify")
            .and_then(Node::as_bool)
            == Some(true)
    }

    pub(super) fn token(&self) -> Option<&'static str> {
        let fields: &[&str] = if self.is_text {
            &["/bearer_token_file", "/bearer_token", "/authorization"]
        } else {
            &["/bearerTokenFile", "/bearerTokenSecret", "/authorization", "/basicAuth"]
        };
        fields.iter().copied().find(|field| self.node.at(field).is_some())
    }
}

/// Every endpoint that the input scrapes.
pub(crate) fn scrapes<'w>(world: &'w World<'w>) -> Vec<Scrape<'w>> {
    let mut all = Vec::new();
    for (kind, list) in [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")] {
        for document in world.kind(kind) {
            let nodes = document.at(&format!("/spec/{list}")).map_or(&[] as &[Node], Node::items);
            all.extend(nodes.iter().enumerate().map(|(index, node)| Scrape {
                document,
                pointer: format!("/spec/{list}/{index}"),
                inner: String::new(),
                node: node.clone(),
                is_text: false,
            }));
        }
    }
    for settings in world.settings.iter().filter(|settings| settings.config == Config::Prometheus) {
        let Some(root) = &settings.root else { continue };
        let configs = root.get("scrape_configs").map_or(&[] as &[Node], Node::items);
        for (index, node) in configs.iter().enumerate() {
            all.push(Scrape {
                document: settings.document,
                pointer: settings.pointer.clone(),
                inner: format!("/scrape_configs/{index}"),
                node: node.clone(),
                is_text: true,
            });
        }
    }
    all
}
