//! `proactor completions`: what a shell needs to complete the program's commands and options.

use clap::{Args, Command};
use clap_complete::Shell;

/// Prints completions of commands and options for a shell.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  proactor completions bash >~/.local/share/bash-completion/completions/proactor\n  proactor completions \
                        zsh >~/.zfunc/_proactor                     # a directory of $fpath\n  proactor completions fish \
                        >~/.config/fish/completions/proactor.fish\n  source <(proactor completions bash)                         # for this shell only"
)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// The script for the shell.
    pub(crate) fn script(&self, mut definition: Command) -> String {
        let name = definition.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition, name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
