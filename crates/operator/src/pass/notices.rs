//! What is said of an application's certificates: when they end, and what is wrong with them.

use std::collections::BTreeMap;

use parapet_api::Application;

use super::{Context, controller};
use crate::ApplicationKey;
use crate::certificates::{Expiry, Notice, NoticeKind, Purpose};
use crate::events::{Reason, Related};

/// Which of an application's certificates were looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// Those that clients see.
    Http,
    /// Those that nodes show to each other.
    Transport,
}

impl Side {
    fn action(self) -> &'static str {
        match self {
            Self::Http => "HttpCertificates",
            Self::Transport => "TransportCertificates",
        }
    }

    fn purposes(self) -> [Purpose; 2] {
        match self {
            Self::Http => [Purpose::HttpAuthority, Purpose::Http],
            Self::Transport => [Purpose::TransportAuthority, Purpose::Transport],
        }
    }
}

/// Tells of them, after they were written: each event once, until it is over.
pub(super) fn tell<K: Application>(
    cx: &Context,
    owner: &K,
    side: Side,
    notices: &[Notice],
    expiries: &[Expiry],
) {
    let (namespace, name) = (owner.object_namespace(), owner.object_name());
    let key = ApplicationKey::new(K::KIND, namespace, name);
    cx.certificate_metrics.are(&key, &side.purposes(), expiries);
    for kind in NoticeKind::ALL {
        let mut problems = BTreeMap::new();
        for notice in notices.iter().filter(|notice| notice.kind == kind) {
            if kind == NoticeKind::Replaced {
                cx.certificate_metrics.replaced(notice.what);
            }
            let related = match &notice.secret {
                Some(secret) => Related::core("Secret", namespace, secret),
                // It is of the operator's own configuration.
                None => Related::application(K::KIND, namespace, name),
            };
            problems.insert(related, notice.sentence.clone());
        }
        cx.events.tell_each(controller(K::KIND), owner, (reason(kind), side.action()), problems);
    }
}

fn reason(kind: NoticeKind) -> Reason {
    match kind {
        NoticeKind::Replaced => Reason::AuthorityReplaced,
        NoticeKind::Invalid => Reason::CertificateInvalid,
        NoticeKind::Ending => Reason::CertificateEnding,
    }
}
