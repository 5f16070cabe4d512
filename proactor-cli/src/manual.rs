//! `proactor man`: manual pages, made of the same definitions as `--help`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::printing::product;

/// Prints the manual page of the program or of one of its commands.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  proactor man | man -l -\n  proactor man chat | man -l -\n  proactor man --out /usr/local/share/man/man1"
)]
pub(crate) struct Manual {
    /// The command, such as chat, or two words such as `config check` [default: the program itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of the program and of all commands into this directory: proactor.1,
    /// proactor-chat.1 and so on. The directory is made if it is missing.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

impl Manual {
    pub(crate) fn run(&self, definition: Command) -> Result<(), Box<dyn Error>> {
        // Names of commands become those of pages: proactor-chat.
        let mut definition = definition.disable_help_subcommand(true);
        definition.build();
        match &self.out {
            Some(directory) => write(definition, directory),
            None => {
                let mut page = Vec::new();
                Man::new(self.chosen(&definition)?.clone()).render(&mut page)?;
                Ok(product(&String::from_utf8_lossy(&page))?)
            }
        }
    }

    fn chosen<'a>(&self, definition: &'a Command) -> Result<&'a Command, String> {
        self.command.iter().try_fold(definition, |command, name| {
            command.find_subcommand(name).ok_or_else(|| {
                let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
                format!("there is no command '{name}' to print the page of: write one of {}", names.join(", "))
            })
        })
    }
}

fn write(definition: Command, directory: &Path) -> Result<(), Box<dyn Error>> {
    let made = fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(definition, directory));
    made.map_err(|error| format!("could not write the manual pages into {}: {error}", directory.display()).into())
}
