//! Who speaks: the resource that every own record carries; and the clock it is stamped with.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parapet_signal::{Attributes, Resource, Scope, UnixNanos};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// The clock of the operating system.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixNanos::default().saturating_add(since_epoch)
    })
}

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `service.version`.
    pub version: String,
    /// `process.pid`.
    pub pid: u32,
    /// `host.name`, where known.
    pub host: Option<String>,
}

impl Identity {
    /// This process, running `version`; the host name as Linux gives it, if it does.
    pub fn of_this_process(version: &str) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        Self {
            version: version.to_owned(),
            pid: std::process::id(),
            host: host.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        }
    }

    /// `service.name` is always `parapet`.
    pub(crate) fn resource(&self) -> Resource {
        let mut attributes = Attributes::new()
            .with("service.name", "parapet")
            .with("service.version", self.version.as_str())
            .with("process.pid", i64::from(self.pid));
        if let Some(host) = &self.host {
            attributes.set("host.name", host.as_str());
        }
        Resource { attributes }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            name: "parapet_telemetry".to_owned(),
            version: self.version.clone(),
            attributes: Attributes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_names_service_version_process_and_host() {
        let identity = Identity { version: "1.2.3".to_owned(), pid: 7, host: Some("node-a".to_owned()) };
        assert_eq!(
            identity.resource().attributes.to_json(),
            serde_json::json!({
                "service.name": "parapet", "service.version": "1.2.3", "process.pid": 7, "host.name": "node-a"
            })
        );
    }
}
