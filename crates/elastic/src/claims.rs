//! The claims of a node set's pods: whose they are, how they grow, when they go.
//!
//! Deciding is all that happens here; each decision names what it was made for by UID, so that nothing else is touched.

mod garbage;
mod owner;
mod recreation;
mod resize;

pub use garbage::garbage;
pub use owner::with_owner;
pub use recreation::{RecreationError, Step, recreation};
pub use resize::{ClaimGrowth, Refusal, Resize, resize};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use parapet_api::Amount;

/// The storage that a claim asks for, as it is written and as it is worth.
fn storage(claim: &PersistentVolumeClaim) -> Option<(&str, Amount)> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    let text = requests.get("storage")?.0.as_str();
    Some((text, text.parse().ok()?))
}
