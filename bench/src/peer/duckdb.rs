//! DuckDB, from its Python package: the same questions over the same Parquet files.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::process::Command;

use super::prepare;

/// How long one question took.
#[derive(Clone, Debug, Deserialize)]
pub struct Timed {
    /// Its name, as it was asked.
    pub name: String,
    /// The middle of several times, in milliseconds.
    pub median_ms: f64,
}

/// Asks each question (`name`, SQL over a view `logs`) some times over the segments that match `glob`.
pub async fn ask(
    python: &Path,
    glob: &str,
    questions: &[(String, String)],
    times: u32,
) -> Result<Vec<Timed>> {
    let questions = serde_json::to_string(questions).context("questions are no JSON")?;
    let mut command = Command::new(python);
    command.args(["-c", include_str!("../../peers/duckdb/ask.py"), glob, &questions, &times.to_string()]);
    let answer = prepare(&mut command).await?;
    serde_json::from_str(&answer).context("the script printed no JSON")
}
