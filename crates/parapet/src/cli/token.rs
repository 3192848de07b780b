//! `parapet token`: who may send or read without a login.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::client::{Client, ServerArguments};
use crate::exit::Failure;

/// Arguments of `parapet token`.
#[derive(Args, Debug)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it once; the server keeps only its hash.
    Create {
        /// What it is for, as shown in lists.
        name: String,
        /// What it may do (may be repeated).
        #[arg(long, value_enum, required = true)]
        scope: Vec<Scope>,
        /// Days until it ends [default: never].
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
    },
    /// List tokens, without their secrets.
    List,
    /// End a token at once.
    Revoke {
        /// Its id, from `parapet token list`.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    /// Send OTLP.
    Ingest,
    /// Read through the API.
    Read,
    /// Everything, tokens included.
    Admin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl TokenArguments {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = Client::connect(&self.server)?;
        let mut out = std::io::stdout();
        match self.action {
            Action::Create { name, scope, expires_in_days } => {
                let scopes: Vec<&str> = scope.into_iter().map(Scope::name).collect();
                let wish = json!({ "name": name, "scopes": scopes, "expires_in_days": expires_in_days });
                let made = client.post("tokens", &wish).await?;
                writeln!(out, "{}", made["secret"].as_str().unwrap_or_default())
            }
            Action::List => {
                let answer = client.get("tokens", &[]).await?;
                let tokens = answer["tokens"].as_array().map_or(&[][..], Vec::as_slice);
                tokens.iter().try_for_each(|token| writeln!(out, "{}", line(token)))
            }
            Action::Revoke { id } => {
                client.delete(&format!("tokens/{id}")).await?;
                writeln!(out, "revoked {id}")
            }
        }
        .context("can't write to standard output")?;
        Ok(())
    }
}

fn line(token: &Value) -> String {
    let text = |key: &str| token[key].as_str().unwrap_or("never");
    let scopes: Vec<&str> =
        token["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!(
        "{}  {:<24} {:<18} created {}  used {}  expires {}",
        text("id"),
        text("name"),
        scopes.join(","),
        text("created_at"),
        text("last_used_at"),
        text("expires_at")
    )
}
