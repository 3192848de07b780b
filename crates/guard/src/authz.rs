//! Whether a caller may do what it asks for: paths that are open or closed to all, static rules, and the API server's word.

mod access;
mod attributes;
mod gate;
mod globs;
pub(crate) mod metrics;
mod path_match;
mod rules;
mod template;
mod verb;

pub use access::{AccessReviewer, AccessRules};
pub use attributes::{AttributeSource, ResourceTemplates, Rewrites};
pub use gate::{Gate, GateRules};
pub use globs::{GlobError, GlobStyle, PathGlobs};
pub use metrics::DecisionMetrics;
pub use rules::{StaticRule, StaticRules, StaticTarget};
pub use template::{Template, TemplateError};
pub use verb::VerbMapping;
