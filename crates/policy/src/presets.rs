//! x
use crate::error::PolicyError;
use crate::flows::{Flow, PresetUse};
pub fn flows(_p: &PresetUse) -> Result<Vec<Flow>, PolicyError> {
    Ok(vec![])
}
