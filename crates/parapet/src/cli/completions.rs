//! `parapet completions`: scripts that teach a shell the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Arguments;
use crate::exit::Failure;

const EXAMPLES: &str = "\
Examples:
  parapet completions bash > ~/.local/share/bash-completion/completions/parapet
  parapet completions zsh > \"${fpath[1]}/_parapet\"
  parapet completions fish > ~/.config/fish/completions/parapet.fish";

/// Arguments of `parapet completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArguments {
    /// Which shell.
    shell: Shell,
}

impl CompletionsArguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        clap_complete::generate(self.shell, &mut Arguments::command(), "parapet", &mut std::io::stdout());
        Ok(())
    }
}
