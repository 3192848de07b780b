//! Which Beats there are.

/// One that can run beside an application. They run in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beat {
    /// Asks for metrics.
    Metricbeat,
    /// Reads log files.
    Filebeat,
}

impl Beat {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Metricbeat, Self::Filebeat];

    /// The container's name; a container of that name in a user's pod template is completed and keeps its own values.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metricbeat => "metricbeat",
            Self::Filebeat => "filebeat",
        }
    }

    /// The configuration's key in its Secret, and the file's name.
    pub fn file(self) -> String {
        format!("{}.yml", self.name())
    }

    /// Where the container finds its configuration.
    pub fn folder(self) -> String {
        format!("/etc/{}-config", self.name())
    }

    /// Where the image keeps its home.
    pub fn home(self) -> String {
        format!("/usr/share/{}", self.name())
    }
}
