//! What can go wrong between the operator and the API server.

use std::time::Duration;

use crate::ObjectKey;

use super::resource::Resource;

/// A call that didn't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server refused it, or it couldn't be asked.
    #[error("can't {verb} {resource} {key}: {}", said(source))]
    Api {
        /// What was to be done.
        verb: &'static str,
        /// To which kind.
        resource: Resource,
        /// To which object.
        key: ObjectKey,
        /// What was answered.
        source: kube::Error,
    },
    /// No answer came; whether it was done is not known until the next look.
    #[error("can't {verb} {resource} {key}: no answer within {}", humantime::format_duration(*after))]
    Deadline {
        /// What was to be done.
        verb: &'static str,
        /// To which kind.
        resource: Resource,
        /// To which object.
        key: ObjectKey,
        /// How long was waited.
        after: Duration,
    },
    /// An object of that name is there and belongs to somebody else.
    #[error(
        "{resource} {key} is needed, but it exists and belongs to {owner}; rename or delete one of the two"
    )]
    Foreign {
        /// Which kind.
        resource: Resource,
        /// Which object.
        key: ObjectKey,
        /// Whose it is.
        owner: String,
    },
    /// An object of that name is there and belongs to an application of the same name that is gone: Kubernetes will collect it.
    #[error("{resource} {key} is left from {owner} of before, and isn't collected yet")]
    Left {
        /// Which kind.
        resource: Resource,
        /// Which object.
        key: ObjectKey,
        /// Whose it was.
        owner: String,
    },
    /// The object came into being while it was made. The next pass sees it.
    #[error("{resource} {key} was made by somebody else just now")]
    Raced {
        /// Which kind.
        resource: Resource,
        /// Which object.
        key: ObjectKey,
    },
}

impl ClusterError {
    /// Whether the object changed in between: the next pass sees it as it is and decides anew.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Api { source: kube::Error::Api(status), .. } => status.code == 409,
            Self::Raced { .. } => true,
            Self::Api { .. } | Self::Deadline { .. } | Self::Foreign { .. } | Self::Left { .. } => false,
        }
    }

    /// Whether the API server says that the object isn't there. That it doesn't know a path, as one that begins to serve
    /// a kind, is another 404: nothing is gone because of that.
    pub fn is_not_found(&self) -> bool {
        let Self::Api { source: kube::Error::Api(status), key, .. } = self else { return false };
        let named = status.details.as_ref().map(|details| &*details.name);
        status.code == 404 && named == Some(&*key.name)
    }

    /// Whether what was to be written certainly wasn't. No answer, or one of somebody in trouble, doesn't say so.
    pub fn certainly_not_applied(&self) -> bool {
        match self {
            Self::Foreign { .. } | Self::Left { .. } | Self::Raced { .. } => true,
            Self::Deadline { .. } => false,
            Self::Api { .. } => self.code().is_some_and(|code| (400..500).contains(&code)),
        }
    }

    /// Whether the operator's rights don't suffice.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Whether the API server finds the object wrong: the same object will be refused again.
    pub fn is_invalid(&self) -> bool {
        matches!(self.code(), Some(400 | 422))
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Deadline { .. } | Self::Raced { .. } | Self::Left { .. } => true,
            Self::Foreign { .. } => false,
            Self::Api { .. } => !matches!(self.code(), Some(400 | 403 | 404 | 422)),
        }
    }

    /// What the API server says about it, for statuses and events.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Api { source: kube::Error::Api(status), .. } => Some(&status.message),
            Self::Api { .. }
            | Self::Deadline { .. }
            | Self::Foreign { .. }
            | Self::Left { .. }
            | Self::Raced { .. } => None,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source: kube::Error::Api(status), .. } => Some(status.code),
            Self::Api { .. }
            | Self::Deadline { .. }
            | Self::Foreign { .. }
            | Self::Left { .. }
            | Self::Raced { .. } => None,
        }
    }
}

/// The API server's own words; the client's type prints them twice, with all fields.
pub(crate) fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) => format!("the API server answered {}", status.code),
        other => other.to_string(),
    }
}
