//! The columns that logs, spans and metrics take from a group's resource and scope.

use arrow::array::ArrayRef;
use parapet_signal::{Resource, Scope};

use super::Names;
use super::json::Scratch;

/// Names lifted out of the resource, the resource itself, and the scope's name.
#[derive(Default)]
pub(super) struct Shared {
    service: Names,
    namespace: Names,
    pod: Names,
    pod_uid: Names,
    container: Names,
    host: Names,
    resource: Names,
    scope: Names,
    scratch: Scratch,
}

/// The finished columns.
pub(super) struct SharedColumns {
    pub(super) service: ArrayRef,
    pub(super) namespace: ArrayRef,
    pub(super) pod: ArrayRef,
    pub(super) pod_uid: ArrayRef,
    pub(super) container: ArrayRef,
    pub(super) host: ArrayRef,
    pub(super) resource: ArrayRef,
    pub(super) scope: ArrayRef,
}

impl Shared {
    /// Appends the same values to as many rows as were kept of a group, and says how much text they have.
    pub(super) fn push(&mut self, resource: &Resource, scope: &Scope, rows: usize) -> usize {
        if rows == 0 {
            return 0;
        }
        let attributes = &resource.attributes;
        self.service.push_n(attributes.get_str("service.name"), rows);
        self.namespace.push_n(attributes.get_str("k8s.namespace.name"), rows);
        self.pod.push_n(attributes.get_str("k8s.pod.name"), rows);
        self.pod_uid.push_n(attributes.get_str("k8s.pod.uid"), rows);
        self.container.push_n(attributes.get_str("k8s.container.name"), rows);
        self.host.push_n(attributes.get_str("host.name").or(attributes.get_str("k8s.node.name")), rows);
        let text = self.scratch.attributes(attributes);
        self.resource.push_n(Some(text), rows);
        self.scope.push_n(Some(&scope.name), rows);
        // The names are copies of parts of the resource.
        2 * text.len() + scope.name.len()
    }

    pub(super) fn finish(self) -> SharedColumns {
        SharedColumns {
            service: self.service.finish(),
            namespace: self.namespace.finish(),
            pod: self.pod.finish(),
            pod_uid: self.pod_uid.finish(),
            container: self.container.finish(),
            host: self.host.finish(),
            resource: self.resource.finish(),
            scope: self.scope.finish(),
        }
    }
}
